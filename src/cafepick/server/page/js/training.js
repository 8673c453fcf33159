// A training as it goes on: stages, time left, what the model imagines; then its report.

import { announce, fill, h } from "./dom.js";
import { address, ask, get } from "./api.js";
import { button, failure, link, sure } from "./parts.js";
import { reportFrame } from "./models.js";
import { oddest } from "./oddest.js";
import { sign } from "./rows.js";
import { duration, has, moment, number, percent, t } from "./words.js";

const STAGES = ["starting", "finding", "cutting", "training", "encoding", "appearance", "joining", "calibrating", "saving"];
const STAGES_OF_CALIBRATION = ["starting", "finding", "cutting", "calibrating", "saving"];
const UNCOUNTED = new Set(["waiting", "starting", "saving"]);
const OVER = new Set(["done", "failed", "cancelled"]);

export async function trainingView(place, id) {
  const first = await get(`/trainings/${id}`);
  const seen = samples(first);
  const progress = stages(first.calibrates ? STAGES_OF_CALIBRATION : STAGES);
  const head = h("h1", {}, wordsOf(first, "title", { name: first.name }));
  const problem = h("div", {});
  const lost = h("p", { class: "hint", role: "status" });
  const stop = button(wordsOf(first, "cancel"), { kind: "quiet", on: cancel });
  fill(place, head, h("p", { class: "hint" }, facts(first)), problem,
    h("div", { class: "training" }, h("section", { class: "card" }, progress.element, lost, h("p", { class: "hint" }, wordsOf(first, "leave")), h("div", { class: "row" }, stop)), !first.calibrates && seen.element));
  let source = null;
  if (OVER.has(first.state)) finish(first);
  else {
    tell(first);
    listen();
  }

  function listen() {
    source = new EventSource(address(`/trainings/${id}/events`));
    source.addEventListener("progress", (event) => tell(JSON.parse(event.data)));
    source.addEventListener("end", (event) => {
      source.close();
      finish(JSON.parse(event.data), true);
    });
    source.addEventListener("open", () => { lost.textContent = ""; });
    source.addEventListener("error", async () => {
      lost.textContent = wordsOf(first, "lost");
      const isShut = source.readyState === EventSource.CLOSED; // it was refused, and does not ask again by itself
      try {
        await get(`/trainings/${id}`);
      } catch {
        // the page says so, or goes to sign in
      }
      if (isShut && place.isConnected) setTimeout(() => place.isConnected && listen(), 3000);
    });
  }

  function tell(training) {
    progress.tell(training);
    seen.tell(training);
  }

  async function cancel() {
    if (!await sure(wordsOf(first, "cancel.sure"), wordsOf(first, "cancel"))) return;
    try {
      await ask("POST", `/trainings/${id}/cancel`);
      stop.disabled = true;
      fill(stop, h("span", {}, t("training.cancelling")));
    } catch (error) {
      fill(problem, failure(error));
    }
  }

  async function finish(training, isNew = false) {
    if (training.state === "done") await showModel(training);
    else showEnd(training);
    if (!place.isConnected) return; // another view came meanwhile
    document.title = `${place.querySelector("h1").textContent} · cafepick`;
    if (isNew) announce(place.querySelector("h1").textContent);
  }

  async function showModel(training) {
    const model = await get(`/models/${training.model}`).catch(() => null);
    const odd = await oddest(training).catch(() => null); // the model is ready all the same
    const known = training.held_back !== null && (training.calibrates || training.subjects !== null);
    fill(place, h("h1", { class: "with-sign" }, sign(false), t("training.done", { name: model?.name ?? training.name })),
      known && h("p", { class: "lead-line" }, gained(training)),
      h("div", { class: "row" }, model && link(t("training.check"), { href: "#/check", kind: "primary", icon: "check" }), link(wordsOf(training, "again"), { href: startOf(training), icon: "teach" })),
      skipped(training), odd, model && reportFrame(model),
      training.samples.length > 0 && h("div", { class: "training" }, seen.element));
    seen.tell(training);
  }

  function showEnd(training) {
    fill(place, h("h1", {}, wordsOf(training, training.state)), h("p", { class: "hint" }, `${training.name} · ${facts(training)}`),
      training.error && failure(training.error), skipped(training),
      h("div", { class: "row" }, link(wordsOf(training, "again"), { href: startOf(training), kind: "primary", icon: "teach" }), button(wordsOf(training, "forget"), { kind: "quiet", on: forget })));
  }

  async function forget() {
    if (!await sure(wordsOf(first, "forget.sure"), wordsOf(first, "forget"))) return;
    await ask("DELETE", `/trainings/${id}`);
    location.hash = "#/teach";
  }

  return { title: first.name, gone: () => source?.close() };
}

/** A stage in words; a server that is newer than the page may have others. */
const stageName = (stage) => (has(`training.stage.${stage}`) ? t(`training.stage.${stage}`) : stage);

/** What is said of a training, or of a calibration. */
const wordsOf = (training, key, fields) => t(training.calibrates ? `calibration.${key}` : `training.${key}`, fields);

/** What a training or calibration came to, in a sentence or some. */
function gained(training) {
  const kept = number(training.held_back);
  const found = training.calibrates ? gainedByCalibrating(training, kept) : [
    t("training.done.facts", { learnt: number(training.subjects), kept }),
    training.alone > 0 && t("training.done.alone", { n: number(training.alone) }),
  ];
  return found.filter(Boolean).join(" ");
}

function gainedByCalibrating(training, kept) {
  return [
    t(training.subject === "beans" ? "calibration.done.facts" : "calibration.done.facts.whole", { kept }),
    training.shown_again > 0 && t("calibration.done.again", { n: number(training.shown_again) }),
    training.knows_light && t("calibration.done.light"),
  ];
}

/** Where one like it is begun. */
const startOf = (training) => (training.calibrates ? `#/teach/${training.calibrates}` : "#/teach");

function facts(training) {
  const photos = t("photos", { n: training.photos });
  return training.calibrates ? photos : t("training.facts", { photos, recipe: t(`teach.recipe.${training.recipe}`) });
}

function skipped(training) {
  return training.skipped.length > 0 && h("section", { class: "card note" }, h("h2", {}, t("training.skipped")),
    h("ul", {}, training.skipped.map((one) => h("li", {}, one.name, h("small", { lang: "en" }, one.reason)))));
}

/** The stages as a list; the one that goes on has a bar and the time that is left. */
function stages(expected) {
  const element = h("ol", { class: "stages" });
  const left = h("span", {});
  const steps = h("span", {});
  const bar = h("progress", { max: 1 });
  let present = null;
  let seen = [...expected];

  function tell({ stage, state, step, steps: all, seconds_left: seconds }) {
    if (!seen.includes(stage)) seen = [stage, ...seen.filter((one) => expected.includes(one))];
    if (stage !== present) {
      present = stage;
      draw();
      announce(stageName(stage));
    }
    bar.setAttribute("aria-label", stageName(stage));
    const isCounted = all && !UNCOUNTED.has(stage);
    if (state === "running" && isCounted) bar.value = step / all;
    else bar.removeAttribute("value");
    steps.textContent = isCounted ? t("training.step", { step, steps: all }) : "";
    left.textContent = seconds === null ? "" : t("training.left", { time: duration(seconds) });
  }

  function draw() {
    const at = seen.indexOf(present);
    fill(element, seen.map((stage, index) => {
      const words = stageName(stage);
      if (index === at) return h("li", { class: "present", "aria-current": "step" }, h("b", {}, words), bar, h("p", { class: "between hint" }, steps, left));
      return h("li", { class: index < at ? "past" : "" }, words);
    }));
  }

  return { element, tell };
}

/** What the generator draws, from its first steps to the present one; the slider goes back in time. */
function samples(training) {
  const image = h("img", { alt: "", hidden: true });
  const words = h("p", { class: "hint" }, t("training.samples.none"));
  const slider = h("input", { type: "range", min: 0, max: 0, value: 0, hidden: true, "aria-label": t("training.samples.slide") });
  const element = h("section", { class: "card samples" }, h("h2", {}, t("training.samples")), image, slider, words);
  let steps = [];
  slider.addEventListener("input", draw);

  function tell({ samples: now }) {
    if (now.length === steps.length) return;
    const follows = Number(slider.value) >= steps.length - 1;
    steps = now;
    slider.max = Math.max(steps.length - 1, 0);
    if (follows) slider.value = slider.max;
    slider.hidden = steps.length < 2;
    draw();
  }

  function draw() {
    const step = steps[Number(slider.value)];
    if (step === undefined) return;
    image.hidden = false;
    image.src = address(`/trainings/${training.id}/samples/${step}`);
    const said = t("training.samples.step", { n: step });
    image.alt = `${t("training.samples")}. ${said}`;
    words.textContent = said;
    slider.setAttribute("aria-valuetext", said);
  }

  return { element, tell };
}

/** A training as a line of a list. */
export function trainingRow(training) {
  const { step, steps, stage, state } = training;
  const words = state === "running" ? `${stageName(stage)}${steps ? ` · ${percent(step / steps)}` : ""}`
    : state === "queued" ? t("training.stage.waiting") : wordsOf(training, state);
  return h("li", {}, h("a", { class: "row-link", href: `#/training/${training.id}` },
    h("span", { class: "row-words" }, h("b", { class: "row-name" }, training.name), h("span", { class: "hint" }, `${moment(training.created)} · ${words}`))));
}
