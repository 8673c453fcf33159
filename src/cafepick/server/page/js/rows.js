// A check as a line of a list.

import { h, s } from "./dom.js";
import { address } from "./api.js";
import { moment, percent, t } from "./words.js";

export function checkRow(check) {
  const { photo, model, lot, corrected, state } = check;
  const judged = corrected.OK + corrected.NG;
  const words = check.empty ? h("span", { class: "share" }, t("result.none")) : state === "done"
    ? h("span", { class: `share ${corrected.NG ? "ng" : "ok"}` }, sign(corrected.NG > 0), h("b", {}, t("history.ng", { ng: corrected.NG, n: judged })),
      h("small", {}, percent(corrected.ng_share)))
    : h("span", { class: "share" }, t(`state.${state}`));
  const said = check.corrections.fine + check.corrections.bad;
  const tags = [lot && h("span", { class: "tag lot" }, lot), check.reviewed && h("span", { class: "tag" }, t("history.reviewed.true")),
    said > 0 && h("span", { class: "tag" }, t("history.corrections", { n: said }))];
  return h("li", {}, h("a", { class: "row-link", href: `#/check/${check.id}` },
    h("img", { src: address(`/photos/${photo.id}/thumbnail`), alt: "", loading: "lazy", width: 88, height: 66 }),
    h("span", { class: "row-words" }, h("b", { class: "row-name" }, photo.name), h("span", { class: "hint" }, `${moment(check.created)} · ${model.name}`), h("span", { class: "tags" }, tags)),
    words));
}

/** OK is a ring, NG a filled square with a cross: told apart without colour. */
export function sign(isNg) {
  const props = { class: `sign ${isNg ? "ng" : "ok"}`, viewBox: "0 0 24 24", "aria-hidden": "true" };
  return isNg
    ? s("svg", props, s("rect", { x: 2, y: 2, width: 20, height: 20, rx: 5 }), s("path", { d: "M8 8l8 8M16 8l-8 8" }))
    : s("svg", props, s("circle", { cx: 12, cy: 12, r: 9.5 }), s("path", { d: "M7.800 12.400l2.900 2.900 5.600-6" }));
}
