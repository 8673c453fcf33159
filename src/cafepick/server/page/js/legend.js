// What the marks on the tray mean.

import { h, s } from "./dom.js";
import { t } from "./words.js";

export function legend() {
  const swatch = (kind, hand) => s("svg", { class: `swatch look ${kind}${hand ? " hand" : ""}`, viewBox: "0 0 34 24", "aria-hidden": "true" },
    s("ellipse", { class: "line", cx: 17, cy: 12, rx: 10.5, ry: 7 }),
    kind === "ng" && s("path", { class: "brackets", d: "M2.500 6V2.500H7M27 2.500h4.500V6M31.500 18v3.500H27M7 21.500H2.500V18" }));
  const hand = s("svg", { class: "swatch plate ok hand", viewBox: "0 0 34 24", "aria-hidden": "true" },
    s("rect", { x: 3, y: 3, width: 28, height: 18, rx: 5 }), s("path", { d: "M12 12.500l3.500 3.500 7-8" }));
  const entry = (picture, words) => h("li", {}, picture, words);
  return h("ul", { class: "legend", "aria-label": t("legend") },
    entry(swatch("ng"), t("legend.ng")), entry(swatch("ok"), t("legend.ok")), entry(swatch("cut"), t("legend.cut")), entry(hand, t("legend.hand")));
}
