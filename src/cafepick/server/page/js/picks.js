// The beans to pick out, by number, each with its reason.

import { fill, h } from "./dom.js";
import { reason, t } from "./words.js";

export function picks({ onpick, onhover }) {
  const list = h("ol", { class: "picks" });
  const none = h("p", { class: "hint" }, t("pick.none"));
  const element = h("section", { class: "card picked" }, h("h2", {}, t("pick")), list, none);

  function tell(verdicts, isWhole) {
    element.hidden = isWhole;
    none.hidden = verdicts.length > 0;
    list.hidden = !verdicts.length;
    fill(list, verdicts.map((verdict) => h("li", {}, h("button", {
      type: "button", class: "pick", on: {
        click: () => onpick(verdict.bean),
        pointerenter: (event) => event.pointerType === "mouse" && onhover(verdict.bean),
        pointerleave: (event) => event.pointerType === "mouse" && onhover(null),
      },
    }, h("b", { class: `pick-number${verdict.correction ? " hand" : ""}` }, String(verdict.bean)), h("span", {}, reason(verdict))))));
  }

  return { element, tell };
}
