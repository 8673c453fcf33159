// What the browser remembers of its user: language, theme, last lot and model, the photos chosen for teaching.

export function kept(key, otherwise = null) {
  try {
    const text = localStorage.getItem(`cafepick.${key}`);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise; // forbidden, or written by something else
  }
}

export function keep(key, value) {
  try {
    if (value === null) localStorage.removeItem(`cafepick.${key}`);
    else localStorage.setItem(`cafepick.${key}`, JSON.stringify(value));
  } catch {
    // a browser that keeps nothing loses nothing that matters
  }
}
