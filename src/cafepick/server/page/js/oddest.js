// The good beans that are least like the others: mark those that are not good, and teach anew without them.

import { address, ask, get } from "./api.js";
import { fill, h, s } from "./dom.js";
import { button, failure } from "./parts.js";
import { number, reason, t } from "./words.js";

const SHOWN = 24;
const ROOM = 0.15; // around a bean, as a share of its longer side

/**
 * @param {object} training one that is done
 * @returns {Promise<Element|null>} null where there is nothing to show
 */
export async function oddest(training) {
  const odd = training.calibrates ? [] : (await get(`/trainings/${training.id}/oddest`)).oddest.slice(0, SHOWN);
  if (!odd.length) return null;
  const photos = new Map(await Promise.all([...new Set(odd.map((one) => one.photo))].map(async (id) => [id, await get(`/photos/${id}`)])));
  const marked = new Set();
  const problem = h("div", {});
  const go = button(t("oddest.go.none"), { kind: "primary", on: again });
  go.disabled = true;

  function mark(event, one) {
    const isMarked = !marked.delete(one);
    if (isMarked) marked.add(one);
    event.currentTarget.setAttribute("aria-pressed", String(isMarked));
    go.disabled = !marked.size;
    fill(go, h("span", {}, marked.size ? t("oddest.go", { n: number(marked.size) }) : t("oddest.go.none")));
  }

  async function again() {
    go.disabled = true;
    try {
      const made = await ask("POST", "/trainings", { body: without(await get(`/trainings/${training.id}/wish`), marked) });
      location.hash = `#/training/${made.id}`;
    } catch (error) {
      go.disabled = false;
      fill(problem, failure(error));
    }
  }

  const beans = odd.map((one) => h("li", {}, h("button", {
    type: "button", class: "odd", "aria-pressed": "false", disabled: one.bean === null, on: { click: (event) => mark(event, one) },
  }, cut(one, photos.get(one.photo)), h("span", {}, reason({ why: one.why, reason: "" })))));
  return h("section", { class: "card" }, h("h2", {}, t("oddest")), h("p", { class: "hint" }, t("oddest.hint")),
    h("ul", { class: "oddest" }, beans), problem, h("div", { class: "row" }, go));
}

/** One bean, cut out of its photo. */
function cut({ photo, box }, { width, height, name }) {
  const side = Math.max(box.width, box.height) * (1 + 2 * ROOM);
  const view = [box.x + box.width / 2 - side / 2, box.y + box.height / 2 - side / 2, side, side];
  return s("svg", { viewBox: view.join(" "), role: "img", "aria-label": name },
    s("image", { href: address(`/photos/${photo}/image?side=1600`), width, height }));
}

/** What a training was asked for with, less some beans. */
function without(wish, beans) {
  const left = new Map(wish.photos.map((photo) => [photo.id, new Set(photo.unticked)]));
  for (const { photo, bean } of beans) left.get(photo).add(bean);
  const gone = new Set(wish.subject === "whole" ? [...beans].map((one) => one.photo) : []);
  const photos = wish.photos.filter(({ id }) => !gone.has(id)).map(({ id }) => ({ id, unticked: [...left.get(id)].sort((a, b) => a - b) }));
  const { model, ...lesson } = wish;
  return { ...lesson, photos };
}
