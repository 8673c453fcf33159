// OK or NG at a rate, counts and shares: the rules of docs/api.md, so that a slider needs no answer from the server.

const LADDER = [0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5];

/** NG exactly where p <= rate; a bean without p-value is cut by the frame. */
export function mark(verdict, rate) {
  if (verdict.p_value === null) return "CUT";
  return verdict.p_value <= rate ? "NG" : "OK";
}

/** The verdict after what the operator said. */
export function corrected(machine, said) {
  if (machine === "CUT" || !said) return machine;
  return said === "fine" ? "OK" : "NG";
}

/**
 * Count beans and areas, after corrections.
 * @returns {{OK: number, NG: number, CUT: number, judged: number, corrections: number, share: ?number, areaShare: ?number}}
 */
export function tally(verdicts, rate) {
  const count = { OK: 0, NG: 0, CUT: 0 };
  const area = { OK: 0, NG: 0, CUT: 0 };
  let corrections = 0;
  for (const verdict of verdicts) {
    const one = corrected(mark(verdict, rate), verdict.correction);
    count[one] += 1;
    area[one] += verdict.area;
    if (verdict.correction) corrections += 1;
  }
  const judged = count.OK + count.NG;
  const whole = area.OK + area.NG;
  return { ...count, judged, corrections, share: judged ? count.NG / judged : null, areaShare: whole ? area.NG / whole : null };
}

/** The rates that a slider offers: round ones that the calibration can promise, its least one, and the present one. */
export function ladder(check) {
  const possible = LADDER.filter((rate) => rate >= check.least_rate);
  return [...new Set([check.least_rate, ...possible, check.false_reject])].sort((one, other) => one - other);
}
