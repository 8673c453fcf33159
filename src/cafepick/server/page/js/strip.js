// The photos of one check, side by side, when there are several.

import { fill, h, toggle } from "./dom.js";
import { address, get } from "./api.js";
import { t } from "./words.js";

const ASK_EVERY = 1500;

export function strip(check) {
  const element = h("nav", { class: "strip", "aria-label": t("result.photos"), hidden: true });
  let timer = 0;
  let ended = false;

  async function refresh() {
    clearTimeout(timer);
    try {
      const { checks } = await get("/checks", { batch: check.batch, limit: 200 });
      if (ended) return;
      const known = checks.find((one) => one.id === check.id);
      element.hidden = checks.length < 2 || !known;
      const inOrder = [...checks].sort((one, other) => (one.created < other.created ? -1 : 1));
      fill(element, inOrder.map(entry));
      if (checks.some((one) => one.state === "queued" || one.state === "running")) timer = setTimeout(refresh, ASK_EVERY);
    } catch {
      if (!ended) timer = setTimeout(refresh, 2 * ASK_EVERY); // the page says so already
    }
  }

  function entry(one) {
    const busy = one.state === "queued" || one.state === "running";
    const figure = busy ? "…" : one.state === "failed" ? "!" : String(one.corrected.NG);
    const words = busy || one.state === "failed" ? `${one.photo.name}: ${t(`state.${one.state}`)}`
      : t("history.row", { name: one.photo.name, ng: one.corrected.NG, n: one.corrected.NG + one.corrected.OK });
    const made = h("a", { href: `#/check/${one.id}`, "aria-current": one.id === check.id ? "true" : null, "aria-label": words },
      h("img", { src: address(`/photos/${one.photo.id}/thumbnail`), alt: "" }), h("span", { class: "badge" }, figure));
    toggle(made, "ng", one.state === "done" && one.corrected.NG > 0);
    return made;
  }

  refresh();
  return {
    element,
    refresh,
    gone: () => {
      ended = true;
      clearTimeout(timer);
    },
  };
}
