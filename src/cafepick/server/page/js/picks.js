// The beans to pick out, by number, each with its reason.

import { fill, h } from "./dom.js";
import { reason, t } from "./words.js";

const SHOWN = 12; // a list that is longer is folded

export function picks({ onpick, onhover }) {
  const list = h("ol", { class: "picks" });
  const none = h("p", { class: "hint" }, t("pick.none"));
  const more = h("button", { type: "button", class: "button quiet wide more", on: { click: () => unfold() } });
  const element = h("section", { class: "card picked" }, h("h2", {}, t("pick")), list, more, none);
  let isFolded = true;

  function unfold() {
    isFolded = false;
    more.hidden = true;
    element.classList.remove("folded");
    list.children[SHOWN]?.querySelector("button").focus();
  }

  function tell(verdicts, isWhole) {
    element.hidden = isWhole;
    none.hidden = verdicts.length > 0;
    list.hidden = !verdicts.length;
    more.hidden = !(isFolded && verdicts.length > SHOWN);
    more.textContent = t("pick.all", { n: verdicts.length });
    element.classList.toggle("folded", !more.hidden);
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
