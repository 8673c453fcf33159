// Where the numbers go: beside their bean, off the other beans and off each other, as far as there is room.

const HEIGHT = 21;
const GAP = 3;

const MOST = 0.2; // share of the photo that plates may hide

/** Tell whether a bean has a plate, and not only a number. */
export const hasPlate = ({ kind, hand }) => kind === "ng" || kind === "out" || Boolean(hand);

/** Tell whether so many plates would hide too much of a photo. */
export const isCrowded = (plates, photo, unit) => plates * 42 * HEIGHT * unit * unit > MOST * photo.width * photo.height;

/** Width and height of a plate on the screen. */
const sizeOf = ({ bean, kind, hand }) =>
  hasPlate({ kind, hand }) ? [24 + 8.6 * String(bean).length, HEIGHT] : [8 * String(bean).length, 14];

/**
 * @param {object[]} labelled beans that get a plate; those that are NG choose first
 * @param {object[]} beans all
 * @param {{width: number, height: number}} photo
 * @param {number} unit photo pixels of a screen pixel
 * @returns {[object, number, number][]} bean and the middle of its plate
 */
export function places(labelled, beans, photo, unit) {
  const taken = [];
  const order = [...labelled].sort((one, other) => (other.kind === "ng") - (one.kind === "ng"));
  return order.map((bean) => {
    const side = sizeOf(bean);
    const [width, height] = [side[0] * unit, side[1] * unit];
    let [best, least] = [null, Infinity];
    for (const [rank, [x, y]] of around(bean.box, width, height, GAP * unit).entries()) {
      const area = inside({ x: x - width / 2, y: y - height / 2, width, height }, photo);
      const cost = covered(area, taken) * 4 + covered(area, beans.map((other) => other.box)) + rank * 0.01 * width * height;
      if (cost < least) [best, least] = [area, cost];
    }
    taken.push(best);
    return [{ ...bean, side }, best.x + best.width / 2, best.y + best.height / 2];
  });
}

function around({ x, y, width, height }, wide, high, gap) {
  const [cx, cy] = [x + width / 2, y + height / 2];
  const [left, right, top, bottom] = [x - gap - wide / 2, x + width + gap + wide / 2, y - gap - high / 2, y + height + gap + high / 2];
  const corner = 0.3;
  return [
    [cx + width * corner, top], [cx, top], [cx - width * corner, top], [right, y + high / 2], [left, y + high / 2],
    [cx, bottom], [cx + width * corner, bottom], [right, cy], [left, cy], [cx - width * corner, bottom], [cx, y + high / 2],
  ];
}

const inside = (area, photo) => ({
  ...area,
  x: Math.max(0, Math.min(area.x, photo.width - area.width)),
  y: Math.max(0, Math.min(area.y, photo.height - area.height)),
});

function covered(area, others) {
  let sum = 0;
  for (const other of others) {
    const across = Math.min(area.x + area.width, other.x + other.width) - Math.max(area.x, other.x);
    const down = Math.min(area.y + area.height, other.y + other.height) - Math.max(area.y, other.y);
    if (across > 0 && down > 0) sum += across * down;
  }
  return sum;
}
