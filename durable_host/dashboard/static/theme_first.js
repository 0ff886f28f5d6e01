// Sets the theme before the first paint, so that the page does not flash in the other one.
try {
  const theme = localStorage.getItem('df-theme');
  if (theme === 'dark' || theme === 'light') {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // Storage is turned off in this browser: the system's theme applies.
}
