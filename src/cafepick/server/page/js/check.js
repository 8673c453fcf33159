// Check: choose a model, drop or shoot a tray, and go to what was found.

import { announce, fill, h, refresh } from "./dom.js";
import { ask, get, send } from "./api.js";
import { checkRow } from "./rows.js";
import { intake } from "./intake.js";
import { keep, kept } from "./kept.js";
import { importer } from "./models.js";
import { empty, failure, field, link, said, select } from "./parts.js";
import { number, percent, t, trouble } from "./words.js";

const AT_ONCE = 2;
export const failures = new Map(); // batch -> photos that never became a check: [{name, error}]

export async function checkView(place) {
  const [{ models }, { checks }] = await Promise.all([get("/models"), get("/checks", { limit: 6 })]);
  const usable = models.filter((model) => model.here);
  const heading = h("div", { class: "lead" }, h("h1", {}, t("check.title")), h("p", {}, t("check.lead")));
  if (!usable.length) {
    fill(place, heading, empty(t("check.no_model"), t("check.no_model.help"),
      link(t("check.no_model.teach"), { href: "#/teach", kind: "primary", icon: "teach" }), importer(refresh)));
    return { title: t("check.title") };
  }
  const last = kept("model");
  let model = usable.find((one) => one.id === last) ?? usable[0];
  const facts = h("p", { class: "hint" });
  const choice = select(usable.map((one) => [one.id, one.name]), model.id, (id) => {
    model = usable.find((one) => one.id === id);
    keep("model", id);
    tellFacts();
  });
  const pace = h("div", {});
  let method = "auto";
  const lot = h("input", { type: "text", maxlength: 200, autocomplete: "off", value: kept("lot", ""), on: { change: () => keep("lot", lot.value) } });
  const wait = h("div", { class: "sending" });
  const problems = h("div", {});
  const stop = new AbortController();
  const drop = intake({
    purpose: "check", several: false,
    onfiles: (files) => begin(files),
    onproblem: (words) => fill(problems, failure({ code: "invalid", message: words })),
  });
  tellFacts();
  const form = h("div", { class: "card settings" }, field(t("check.model"), choice), facts, pace, field(t("check.lot"), lot, t("check.lot.hint")));
  fill(place, heading, h("div", { class: "start" }, h("div", {}, drop.element, problems, wait), form),
    checks.length > 0 && h("section", { class: "recent" }, h("h2", {}, t("check.recent")), h("ul", { class: "rows" }, checks.map(checkRow))));

  /** What the model rests on, and how it can judge if it can in several ways. */
  function tellFacts() {
    method = "auto";
    const methods = model.methods ?? [];
    fill(pace, methods.length > 1 && field(t("check.method"), select(methods.map((one) => [one, t(`method.${one}`)]), methods[0], (one) => { method = one; })));
    const { subjects, held_back: aside } = model.training;
    const known = Number.isFinite(subjects) && Number.isFinite(aside);
    facts.textContent = known ? t("check.model.facts", { learnt: number(subjects), kept: number(model.calibration_subjects) }) : "";
  }

  async function begin(files) {
    fill(problems);
    keep("lot", lot.value);
    drop.element.hidden = true;
    const sent = files.map((file) => sending(file));
    fill(wait, sent.map((one) => one.element));
    announce(t("state.sending"));
    await inTurn(sent, AT_ONCE, (one) => one.go(stop.signal));
    if (stop.signal.aborted) return;
    const failed = sent.filter((one) => one.error).map(({ file, error }) => ({ name: file.name, error }));
    const photos = [...new Set(sent.filter((one) => one.photo).map((one) => one.photo.id))];
    try {
      if (!photos.length) throw failed[0].error;
      const body = { model: model.id, photos, lot: lot.value, method };
      const { batch, checks: made, failures: refused } = await ask("POST", "/checks", { body, signal: stop.signal });
      failures.set(batch, [...failed, ...refused.map(({ photo, error }) => ({ name: photo.slice(0, 12), error }))]);
      if (!made.length) throw refused[0].error;
      location.hash = `#/check/${made[0].id}`;
    } catch (error) {
      if (error.code === "cancelled") return;
      drop.element.hidden = false;
      fill(wait);
      fill(problems, failed.length > 1 ? failed.map((one) => refusal(one)) : failure(error));
    }
  }

  return {
    title: t("check.title"),
    gone: () => {
      stop.abort();
      drop.gone();
    },
  };
}

export const refusal = ({ name, error }) =>
  h("div", { class: "failure", role: "alert" }, h("div", {}, h("p", { class: "what" }, t("check.failed", { name })), said(error)));

/** A photo on its way to the server, shown at once. */
function sending(file) {
  const url = URL.createObjectURL(file);
  const bar = h("progress", { max: 1, value: 0, "aria-label": file.name });
  const state = h("span", { class: "hint" }, t("state.sending"));
  const picture = h("img", { src: url, alt: "" });
  picture.addEventListener("error", () => picture.remove()); // a format that only the server can read
  const made = { file, photo: null, error: null, element: h("div", { class: "sent" }, picture, h("div", {}, h("b", {}, file.name), state, bar)) };
  made.go = async (signal) => {
    try {
      const onprogress = (share) => {
        bar.value = share;
        state.textContent = share < 1 ? t("uploading", { share: percent(share) }) : t("state.queued");
      };
      made.photo = await send("/photos", file, { query: { name: file.name }, onprogress, signal });
      bar.value = 1;
      state.textContent = t("state.queued");
    } catch (error) {
      made.error = error;
      state.textContent = trouble(error);
      bar.remove();
    } finally {
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    }
  };
  return made;
}

/** Do something with each, a few at once. */
async function inTurn(many, atOnce, action) {
  const left = [...many];
  const worker = async () => {
    for (let one = left.shift(); one; one = left.shift()) await action(one);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
