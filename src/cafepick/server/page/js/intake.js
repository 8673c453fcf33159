// Where photos come in: dropped, chosen, pasted, or shot with the camera.

import { h, toggle, uid } from "./dom.js";
import { config } from "./api.js";
import { canShoot, shoot } from "./camera.js";
import { icon } from "./icons.js";
import { button } from "./parts.js";
import { megabytes, t } from "./words.js";

/**
 * `several` allows several shots without closing the camera.
 * @param {{purpose: "check"|"teach", several: boolean, onfiles: (files: File[]) => void, onproblem: (words: string) => void}} options
 * @returns {{element: HTMLElement, gone: () => void}}
 */
export function intake({ purpose, several, onfiles, onproblem }) {
  const accept = "image/jpeg,image/png,image/webp,image/tiff,image/bmp";
  const input = h("input", { type: "file", accept, multiple: true, class: "unseen", id: uid("files"), tabindex: "-1", "aria-hidden": "true" });
  const direct = h("input", { type: "file", accept: "image/*", capture: "environment", class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  for (const one of [input, direct]) {
    one.addEventListener("change", () => {
      take([...one.files]);
      one.value = "";
    });
  }
  const isHeld = window.matchMedia("(pointer: coarse)").matches; // a phone or tablet has its camera at hand
  const chooser = button(t("choose"), { kind: isHeld ? "" : "primary", icon: "photo", on: () => input.click() });
  const shooter = button(t("shoot"), {
    kind: isHeld ? "primary" : "", icon: "camera", on: () => (canShoot() ? shoot({ many: several, onshot: (file) => take([file]) }) : direct.click()),
  });
  const title = t(`drop.${purpose}${isHeld ? ".held" : ""}`);
  const heading = h("p", { class: "drop-title" }, title);
  const formats = h("p", { class: "hint" });
  const element = h("div", { class: "drop" }, icon("photo"), heading,
    h("div", { class: "row" }, isHeld ? [shooter, chooser] : [chooser, shooter]),
    formats, input, direct);
  config().then(
    ({ limits }) => { formats.textContent = t("drop.formats", { megabytes: megabytes(limits.upload_bytes) }); },
    () => {},
  );

  function take(files) {
    const photos = files.filter((file) => file.type.startsWith("image/") || /\.(jpe?g|png|webp|tiff?|bmp)$/i.test(file.name));
    if (photos.length) onfiles(photos);
    else if (files.length) onproblem(t("no_photos"));
  }

  // Anything dropped anywhere counts: a tray in one hand leaves little aim in the other.
  let depth = 0;
  const show = (over) => {
    toggle(element, "over", over);
    heading.textContent = over ? t("drop.now") : title;
  };
  const on = {
    dragenter: (event) => { event.preventDefault(); depth += 1; show(true); },
    dragover: (event) => event.preventDefault(),
    dragleave: () => { depth -= 1; if (depth <= 0) show(false); },
    drop: (event) => {
      event.preventDefault();
      depth = 0;
      show(false);
      take([...event.dataTransfer.files]);
    },
    paste: (event) => { if (event.clipboardData?.files.length) take([...event.clipboardData.files]); },
  };
  for (const [name, listener] of Object.entries(on)) window.addEventListener(name, listener);
  return {
    element,
    gone: () => { for (const [name, listener] of Object.entries(on)) window.removeEventListener(name, listener); },
  };
}
