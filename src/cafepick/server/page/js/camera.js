// The camera of the phone or laptop. Browsers lend it over https and on the computer itself only;
// elsewhere `intake` opens the phone's own camera instead.

import { announce, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { button } from "./parts.js";
import { t } from "./words.js";

const PROBLEMS = { NotAllowedError: "camera.refused", SecurityError: "camera.refused", NotFoundError: "camera.none", OverconstrainedError: "camera.none" };

export const canShoot = () => Boolean(navigator.mediaDevices?.getUserMedia);

/**
 * Open the camera.
 * @param {{many: boolean, onshot: (file: File) => void}} options one shot closes it, unless there may be many
 */
export async function shoot({ many, onshot }) {
  let stream = null;
  let which = 0;
  let taken = 0;
  const video = h("video", { autoplay: true, playsinline: true, "aria-hidden": "true" });
  video.muted = true;
  const message = h("p", { class: "camera-message", role: "status" }, t("loading"));
  const count = h("span", { class: "camera-count" });
  const shutter = h("button", { type: "button", class: "shutter", disabled: true, "aria-label": t("camera.shutter"), on: { click: release } });
  const change = h("button", { type: "button", class: "round", hidden: true, "aria-label": t("camera.switch"), title: t("camera.switch"), on: { click: next } }, icon("switch"));
  const done = button(many ? t("camera.done") : t("cancel"), { on: () => dialog.close() });
  const dialog = h("dialog", { class: "camera", "aria-label": t("camera.title") },
    h("div", { class: "finder" }, video, message), h("p", { class: "hint" }, t("camera.hint")),
    h("div", { class: "camera-row" }, h("div", { class: "row" }, done, count), shutter, h("div", { class: "row end" }, change)));
  dialog.addEventListener("close", () => {
    stop();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  await start();

  function stop() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
  }

  async function start() {
    stop();
    shutter.disabled = true;
    try {
      const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
      const wanted = which ? { deviceId: { exact: cameras[which % cameras.length].deviceId } } : { facingMode: "environment" };
      stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, width: { ideal: 4096 }, height: { ideal: 3072 } } });
      if (!dialog.open) return stop();
      video.srcObject = stream;
      await video.play();
      change.hidden = cameras.length < 2;
      message.hidden = true;
      shutter.disabled = false;
      shutter.focus();
    } catch (error) {
      if (!dialog.open) return;
      message.hidden = false;
      message.textContent = t(PROBLEMS[error.name] ?? "camera.busy");
    }
  }

  async function next() {
    which += 1;
    await start();
  }

  async function release() {
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.95); });
    taken += 1;
    const file = new File([blob], `camera-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}-${taken}.jpg`, { type: "image/jpeg" });
    fill(count, t("camera.taken", { n: taken }));
    announce(t("camera.taken", { n: taken }));
    if (!many) dialog.close();
    onshot(file);
  }
}
