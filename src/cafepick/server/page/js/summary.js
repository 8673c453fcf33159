// The answer, to be read at arm's length: how many to pick out, of how many, and their share.

import { fill, h } from "./dom.js";
import { sign } from "./rows.js";
import { number, percent, t } from "./words.js";

export function summary(check) {
  const element = h("section", { class: "card summary" });
  const isWhole = check.model.subject === "whole";

  function tell({ NG, CUT, judged, corrections, share, areaShare }) {
    element.classList.toggle("ng", NG > 0);
    const words = t("result.pick", { n: NG }).split(number(NG));
    const line = NG ? [words[0], h("b", { class: "figure" }, number(NG)), words[1]] : t("result.clean");
    fill(element,
      h("p", { class: "answer" }, sign(NG > 0), h("span", { class: "answer-words" }, isWhole ? t(`result.whole.${NG ? "NG" : "OK"}`) : line)),
      !isWhole && h("p", { class: "of" }, t("result.of", { n: judged })),
      !isWhole && h("dl", { class: "shares" },
        h("div", {}, h("dt", {}, t("result.by_number")), h("dd", {}, percent(share))),
        h("div", {}, h("dt", {}, t("result.by_area")), h("dd", {}, percent(areaShare)))),
      CUT > 0 && h("p", { class: "hint" }, t("result.cut", { n: CUT })),
      corrections > 0 && h("p", { class: "hint" }, t("result.corrected", { n: corrections })));
  }

  return { element, tell };
}
