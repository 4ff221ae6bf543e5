// Draws each destination's plots from its series, and looks again every minute.
"use strict";

const EVERY = 60000;
const colours = () => {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(name).trim();
};

function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86400).toFixed(1)} d`;
}

const rows = (value) => (value === null || value === undefined ? "–" : `${Number(value.toPrecision(3))}`);

const AGES = [1, 5, 15, 60, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 2592000];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

// Times of the axis: hours and minutes, the day where it changes; UTC.
const moments = (step) => {
  let day = null;
  return (seconds) => {
    const at = new Date(seconds * 1000);
    const today = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
    if (step >= 86400) return today;
    const time = at.toISOString().slice(11, 16);
    const shown = today === day ? time : `${time}\n${today}`;
    day = today;
    return shown;
  };
};

const PLOTS = {
  lag: { columns: ["lag_seconds"], labels: ["lag"], colours: ["--plot-lag"], show: age, steps: AGES },
  rows: { columns: ["rows_in", "rows_out"], labels: ["in", "out"], colours: ["--plot-in", "--plot-out"], show: rows },
};

function options(plan, width) {
  const colour = colours();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--plot-grid"), width: 1 }, ticks: { show: false } };
  const lines = plan.labels.map((label, i) => ({
    label,
    stroke: colour(plan.colours[i]),
    width: 1.5,
    fill: plan.labels.length === 1 ? `${colour(plan.colours[i])}22` : undefined,
    points: { show: false },
    value: (_, value) => plan.show(value),
  }));
  return {
    width,
    height: 180,
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
    series: [{ label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...lines],
    axes: [
      { ...axis, space: 64, values: (_, ticks, __, ___, step) => ticks.map(moments(step)) },
      { ...axis, size: 62, incrs: plan.steps, values: (_, ticks) => ticks.map(plan.show) },
    ],
    scales: { y: { range: (_, low, high) => [0, Math.max(high || 0, 1) * 1.05] } },
    cursor: { y: false, drag: { x: false, y: false } },
  };
}

function draw(place, data) {
  const plan = PLOTS[place.dataset.plot];
  const columns = plan.columns.map((name) => data[name]);
  place.replaceChildren();
  if (columns.every((column) => column.every((value) => value === null))) {
    const none = document.createElement("p");
    none.className = "none";
    none.textContent = "nothing noted in this time";
    place.append(none);
  } else {
    new uPlot(options(plan, place.clientWidth), [data.time, ...columns], place);
  }
}

async function show(plots) {
  const answer = await fetch(plots.dataset.series, { credentials: "same-origin" });
  if (!answer.ok) return;
  const data = await answer.json();
  const redraw = () => plots.querySelectorAll(".plot").forEach((place) => draw(place, data));
  redraw();
  matchMedia("(prefers-color-scheme: dark)").onchange = redraw;
  let width = plots.clientWidth;
  new ResizeObserver(() => {
    if (plots.clientWidth !== width) {
      width = plots.clientWidth;
      redraw();
    }
  }).observe(plots);
}

const busy = () => ["INPUT", "SELECT"].includes(document.activeElement?.tagName);

document.querySelectorAll(".plots").forEach(show);
// Only where the page still answers: else what was last known stays in sight.
setInterval(async () => {
  if (document.hidden || busy()) return;
  const there = await fetch(document.querySelector("link[rel=icon]").href).then((answer) => answer.ok, () => false);
  if (there && !busy()) location.reload();
}, EVERY);
