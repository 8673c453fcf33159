// One photo to learn from: the beans found in it, each of which can be left out.

import { announce, fill, h } from "./dom.js";
import { address, get, send } from "./api.js";
import { icon } from "./icons.js";
import { button } from "./parts.js";
import { tray } from "./tray.js";
import { percent, t, trouble } from "./words.js";

/**
 * @param {{file: File}|{id: string, name: string, unticked: number[]}} source a new photo, or one that the server has
 * @param {{onchange: () => void, onremove: () => void}} listeners
 */
export function lessonPhoto(source, { onchange, onremove }) {
  const name = source.file?.name ?? source.name;
  const status = h("p", { class: "hint" }, t("state.sending"));
  const bar = h("progress", { max: 1, value: 0, "aria-label": name });
  const stage = h("div", { class: "lesson-stage" });
  const tools = h("div", { class: "row tight" });
  const away = h("button", { type: "button", class: "round", "aria-label": t("photo.remove", { name }), title: t("teach.remove"), on: { click: onremove } }, icon("close"));
  const element = h("article", { class: "card lesson-photo" },
    h("div", { class: "between" }, h("h3", {}, name), away), stage, status, bar, tools);
  const preview = source.file && URL.createObjectURL(source.file);
  if (preview) fill(stage, h("img", { src: preview, alt: "" }));
  const stop = new AbortController();
  const photo = { element, name, id: source.id ?? null, unticked: new Set(source.unticked ?? []), good: 0, isDone: false, isGone: false, load, gone };
  let found = null;
  let pictures = [];

  async function load() {
    try {
      if (source.file) {
        const onprogress = (share) => {
          bar.value = share;
          status.textContent = share < 1 ? t("uploading", { share: percent(share) }) : t("teach.finding");
        };
        photo.id = (await send("/photos", source.file, { query: { name }, onprogress, signal: stop.signal })).id;
      }
      bar.removeAttribute("value");
      status.textContent = t("teach.finding");
      found = await get(`/photos/${photo.id}/beans`, {}, stop.signal);
      show();
    } catch (error) {
      if (error.code === "cancelled") return;
      if (error.code === "no_such_photo" && !source.file) photo.isGone = true; // an old draft's, deleted meanwhile
      fill(status, h("span", { class: "need", role: "alert" }, trouble(error)));
    } finally {
      bar.remove();
      photo.isDone = true;
      if (preview) setTimeout(() => URL.revokeObjectURL(preview), 2000);
    }
  }

  function show() {
    const whole = found.beans.filter((bean) => !bean.cut);
    for (const bean of [...photo.unticked]) if (!whole.some((one) => one.bean === bean)) photo.unticked.delete(bean);
    fill(stage, picture(1000));
    if (whole.length) fill(tools, button(t("teach.look"), { icon: "look", kind: "small", on: look }));
    tell();
    announce(`${name}: ${counts()}`);
  }

  function picture(side) {
    const url = address(`/photos/${photo.id}/image`, { side });
    const made = tray({
      photo: { width: found.width, height: found.height, url, name }, beans: found.beans, zoomable: side > 1000,
      label: t("teach.tray", { name }), onpick: flip,
    });
    pictures.push(made);
    return made.element;
  }

  function flip(bean) {
    if (found.beans.find((one) => one.bean === bean).cut) return;
    if (!photo.unticked.delete(bean)) photo.unticked.add(bean);
    tell();
    announce(t(photo.unticked.has(bean) ? "teach.bean.out" : "teach.bean.in", { bean }));
    onchange();
  }

  function tell() {
    const states = found.beans.map(({ bean, cut }) => {
      const kind = cut ? "cut" : photo.unticked.has(bean) ? "out" : "ok";
      const words = { ok: "teach.bean.in", out: "teach.bean.out", cut: "teach.bean.cut" }[kind];
      return [bean, { kind, label: t(words, { bean }), pressed: kind === "ok" }];
    });
    for (const one of pictures) one.mark(new Map(states));
    photo.good = states.filter(([, state]) => state.kind === "ok").length;
    status.textContent = found.beans.some((bean) => !bean.cut) ? counts() : t("teach.none");
  }

  function counts() {
    const cut = found.beans.filter((bean) => bean.cut).length;
    const parts = [t("teach.found", { n: photo.good }), photo.unticked.size && t("teach.left", { n: photo.unticked.size }), cut && t("teach.cut", { n: cut })];
    return parts.filter(Boolean).join(" · ");
  }

  /** The photo in all the room there is, for fingers. */
  function look() {
    const before = pictures.length;
    const all = (out) => () => {
      for (const bean of found.beans) if (!bean.cut) photo.unticked[out ? "add" : "delete"](bean.bean);
      tell();
      onchange();
    };
    const dialog = h("dialog", { class: "wide", "aria-label": name },
      h("p", { class: "hint" }, t("teach.tap")), picture(2000),
      h("div", { class: "row end" }, button(t("teach.all.out"), { on: all(true), kind: "quiet" }), button(t("teach.all.in"), { on: all(false), kind: "quiet" }),
        button(t("camera.done"), { kind: "primary", on: () => dialog.close() })));
    dialog.addEventListener("close", () => {
      pictures.splice(before).forEach((one) => one.gone());
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
    tell();
  }

  function gone() {
    stop.abort();
    pictures.forEach((one) => one.gone());
    pictures = [];
    element.remove();
  }

  return photo;
}
