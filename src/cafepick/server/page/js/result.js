// The result of a check: the tray with its beans marked, what to pick out and why, corrections, the record.

import { announce, fill, h } from "./dom.js";
import { address, ask, get } from "./api.js";
import { beanPanel } from "./bean.js";
import { failures, refusal } from "./check.js";
import { corrected, mark, tally } from "./marks.js";
import { empty, failure, link } from "./parts.js";
import { picks } from "./picks.js";
import { record } from "./record.js";
import { strictness } from "./strictness.js";
import { strip } from "./strip.js";
import { summary } from "./summary.js";
import { tray } from "./tray.js";
import { legend } from "./legend.js";
import { reason, t } from "./words.js";

export async function resultView(place, id) {
  const stop = new AbortController();
  const first = await get(`/checks/${id}`, {}, stop.signal);
  const head = h("div", { class: "result-head" }, h("h1", {}, first.photo.name), link(t("result.new"), { href: "#/check", icon: "check", kind: "small new" }));
  const photos = strip(first);
  const lost = (failures.get(first.batch) ?? []).map(refusal);
  const body = h("div", { class: "result" });
  fill(place, head, photos.element, lost, body);
  let over = null;
  if (first.state === "queued" || first.state === "running") wait(first);
  else show(first);

  /** Show the photo until the verdicts are there; the server holds its answer until then. */
  async function wait(check) {
    const words = h("p", { role: "status" }, t(`state.${check.state}`));
    fill(body, h("div", { class: "judging" }, h("img", { src: photoUrl(check), alt: check.photo.name }), words));
    try {
      for (let found = check; ; found = await get(`/checks/${id}`, { wait: 20 }, stop.signal)) {
        words.textContent = t(`state.${found.state}`);
        if (found.state !== "queued" && found.state !== "running") return show(found);
      }
    } catch (error) {
      if (error.code !== "cancelled") fill(body, failure(error, () => wait(check)));
    }
  }

  function show(check) {
    photos.refresh();
    if (check.state === "failed") {
      fill(body, failure(check.error), record(check, { onchange: (patch) => ask("PATCH", `/checks/${id}`, { body: patch }) }).element);
    } else if (check.empty) {
      fill(body, h("div", { class: "judging still" }, h("img", { src: photoUrl(check), alt: check.photo.name })), empty(t("result.none"), t("result.none.help")),
        record(check, { onchange: (patch) => ask("PATCH", `/checks/${id}`, { body: patch }) }).element);
    } else {
      over = verdicts(body, check);
    }
  }

  return {
    title: `${t("check")}: ${first.photo.name}`,
    gone: () => {
      stop.abort();
      photos.gone();
      over?.();
    },
  };
}

const photoUrl = ({ photo }) => address(`/photos/${photo.id}/image`, { side: 2000 });

/** Fill the body of a check that is done; return what ends it. */
function verdicts(body, check) {
  let rate = check.false_reject;
  const isWhole = check.model.subject === "whole";
  const photo = { ...check.photo, url: photoUrl(check) };
  const top = summary(check);
  const key = legend();
  const picture = tray({ photo, beans: check.verdicts, label: t("result.tray", { name: photo.name, n: check.verdicts.length }), onpick: open, below: key.element });
  const list = picks({ onpick: open, onhover: (bean) => picture.choose(bean ?? panel.bean()) });
  const panel = beanPanel(check, { onsay: say, onopen: (bean) => picture.choose(bean), onclose: close });
  const slider = strictness(check, { onmove: move, onrest: rest });
  const kept = record(check, { onchange: (patch) => save(patch) });
  const problem = h("div", {});
  const verdictOf = (verdict) => corrected(mark(verdict, rate), verdict.correction);
  const warnings = check.warnings.length > 0 && h("div", { class: "card note" }, h("h2", {}, t("result.warnings")), check.warnings.map((words) => h("p", { lang: "en" }, words)));
  fill(body, h("div", { class: "stage" }, picture.element), top.element,
    h("div", { class: "side" }, problem, slider.element, panel.element, list.element, warnings, kept.element));
  draw();

  function draw() {
    const states = check.verdicts.map((verdict) => {
      const one = verdictOf(verdict);
      const words = { bean: verdict.bean, verdict: t(`verdict.${one}`), reason: one === "NG" ? reason(verdict) : "" };
      return [verdict.bean, {
        kind: one.toLowerCase(), hand: Boolean(verdict.correction), numbered: !isWhole && one !== "CUT",
        label: t(verdict.correction ? "bean.label.said" : "bean.label", words).trim(),
      }];
    });
    picture.mark(new Map(states));
    const count = tally(check.verdicts, rate);
    top.tell(count);
    key.tell(count);
    list.tell(check.verdicts.filter((verdict) => verdictOf(verdict) === "NG"), isWhole);
    panel.tell(rate);
  }

  function open(bean) {
    picture.choose(bean);
    panel.open(check.verdicts.find((one) => one.bean === bean), rate);
    picture.element.scrollIntoView({ block: window.innerWidth < 1024 ? "start" : "nearest" }); // on phones the panel comes from below
  }

  function close(bean) {
    picture.choose(null);
    picture.focus(bean);
  }

  function move(next) {
    rate = next;
    draw();
  }

  async function rest(next) {
    move(next);
    const { NG: n, judged } = tally(check.verdicts, rate);
    announce(`${t("result.pick", { n })} ${t("result.of", { n: judged })}`);
    const saved = await save({ false_reject: next });
    if (saved) slider.learn(saved);
  }

  async function say(bean, word) {
    const path = `/checks/${check.id}/beans/${bean}/correction`;
    const done = await attempt(() => (word ? ask("PUT", path, { body: { correction: word } }) : ask("DELETE", path)));
    if (!done) return;
    check.verdicts = done.verdicts;
    draw();
    panel.open(check.verdicts.find((one) => one.bean === bean), rate, { focus: false });
    announce(t(`bean.noted.${word ?? "none"}`, { bean }));
  }

  const save = (patch) => attempt(() => ask("PATCH", `/checks/${check.id}`, { body: patch }));

  async function attempt(action) {
    try {
      const done = await action();
      fill(problem);
      return done;
    } catch (error) {
      fill(problem, failure(error));
      return null;
    }
  }

  return () => picture.gone();
}
