// Before anything is painted: the theme and language that were chosen last, so that nothing flashes.
(() => {
  const kept = (key) => {
    try {
      return JSON.parse(localStorage.getItem(`cafepick.${key}`));
    } catch {
      return null; // storage may be forbidden
    }
  };
  const page = document.documentElement;
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") page.dataset.theme = theme;
  const language = kept("language") || navigator.languages.find((one) => /^(en|ja)\b/.test(one)) || "en";
  page.lang = language.startsWith("ja") ? "ja" : "en";
})();
