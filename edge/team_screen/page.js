"use strict";
// The team's local page: asks for its data once a second, shows the age of everything, and says when it hears nothing.
const WORDS = {
  zh: { title: "本车队伍", call: "点名", sound: "开声音", sounding: "声音已开", lost: "✕ 与本车网关断开", ok: "● 本车网关", ago: " 前",
    never: "从未听到", door: "访问码", enter: "进入", wrong: "访问码不对", other: "EN", units: ["秒", "分", "小时"], here: "✓ 已答到", waits: "… 未答到",
    note: "本页只显示本车收到的内容，未经指挥中心核实。", nobody: "还没有听到任何队员", place: "位置", air_left_s: "可用空气",
    turn_back_s: "返回倒计时", scba_kpa: "气瓶", battery_pct: "电量", floor: "楼层", lel_permille: "可燃气体", o2_permille: "氧气",
    co_ppm: "一氧化碳", h2s_dppm: "硫化氢", co2_ppm: "二氧化碳", sos: "求救", man_down: "人员倒地", fall: "跌倒", low_air: "空气不足",
    turn_back: "立即返回", gas: "气体超限", air_sensor_lost: "气压失联", heart: "心率异常", heat: "体温过高", spool_fault: "存储故障",
    dirs: ["北", "东北", "东", "东南", "南", "西南", "西", "西北"], duty: { entered: "已进入", on_air: "使用空呼", standby: "待命", rehab: "休整" } },
  en: { title: "This vehicle's team", call: "Roll-call", sound: "Sound on", sounding: "Sound is on", lost: "✕ no contact with the gateway",
    ok: "● this gateway", ago: " ago", never: "never heard", door: "Code", enter: "Enter", wrong: "Wrong code", other: "中文", units: ["s", "min", "h"],
    here: "✓ answered", waits: "… no answer", note: "Only what this vehicle hears; not verified by the command centre.",
    nobody: "Nobody heard yet", place: "place", air_left_s: "Air left", turn_back_s: "Turn back in", scba_kpa: "Cylinder", battery_pct: "Battery",
    floor: "Floor", lel_permille: "Combustible", o2_permille: "Oxygen", co_ppm: "CO", h2s_dppm: "H₂S", co2_ppm: "CO₂", sos: "SOS",
    man_down: "MAN DOWN", fall: "FALL", low_air: "AIR LOW", turn_back: "TURN BACK", gas: "GAS", air_sensor_lost: "AIR SENSOR LOST",
    heart: "HEART", heat: "HEAT", spool_fault: "STORAGE", dirs: ["N", "NE", "E", "SE", "S", "SW", "W", "NW"],
    duty: { entered: "inside", on_air: "on air", standby: "standby", rehab: "rehab" } },
};
const OLD_S = 15;
const kept = (name, other) => { try { return localStorage.getItem(name) ?? other; } catch { return other; } };
const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a private window keeps nothing */ } };
let language = kept("language", "zh"), code = kept("code", ""), last = null, heardAt = 0, sound = null, alarmsBefore = new Set();
const at = (id) => document.getElementById(id);
const words = () => WORDS[language];
const age = (s) => (s < 60 ? `${s} ${words().units[0]}` : s < 3600 ? `${Math.floor(s / 60)} ${words().units[1]}` : `${Math.floor(s / 3600)} ${words().units[2]}`);

const FORMS = {
  air_left_s: (v) => age(Math.max(0, v)), turn_back_s: (v) => (v < 0 ? "−" : "") + age(Math.abs(v)), scba_kpa: (v) => `${(v / 100).toFixed(0)} bar`,
  battery_pct: (v) => `${v} %`, floor: (v) => `${v}`, lel_permille: (v) => `${(v / 10).toFixed(1)} % LEL`, o2_permille: (v) => `${(v / 10).toFixed(1)} %`,
  co_ppm: (v) => `${v} ppm`, h2s_dppm: (v) => `${(v / 10).toFixed(1)} ppm`, co2_ppm: (v) => `${v} ppm`,
};

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function card(mate, extra, called) {
  const w = words(), seen = mate.age_s === null ? null : mate.age_s + extra;
  const old = seen === null || seen > OLD_S;
  const made = element("article", `${old ? "old" : ""} ${mate.alarms.length ? "alarm" : ""}`);
  const head = element("h2", "", mate.callsign);
  if (mate.duty && w.duty[mate.duty]) head.append(element("small", "", w.duty[mate.duty]));
  head.append(element("span", "", seen === null ? `◌ ${w.never}` : `${old ? "◌ " : "● "}${age(seen)}${w.ago}`));
  made.append(head);
  if (mate.alarms.length) {
    const list = element("ul", "alarms");
    for (const alarm of mate.alarms) {
      const line = element("li", "", `▲ ${w[alarm.code] ?? alarm.code}`);
      line.append(element("span", "", age(alarm.age_s + extra)));
      list.append(line);
    }
    made.append(list);
  }
  if (mate.place) {
    const where = mate.place.m === undefined ? `${mate.place.lat.toFixed(5)} ${mate.place.lon.toFixed(5)}`
      : `${mate.place.m} m ${w.dirs[Math.round(mate.place.bearing / 45) % 8]} `;
    const line = element("div", mate.place.age_s + extra > OLD_S ? "where old" : "where", where);
    line.append(element("small", "", `${w.place} ${age(mate.place.age_s + extra)}${w.ago}`));
    made.append(line);
  }
  const list = element("dl");
  for (const [name, form] of Object.entries(FORMS)) {
    const told = mate.values?.[name];
    if (!told) continue;
    const value = element("dd", told[1] + extra > OLD_S ? "old" : "", `${form(told[0])} `);
    value.append(element("small", "", age(told[1] + extra)));
    list.append(element("dt", "", w[name]), value);
  }
  made.append(list);
  if (called && mate.named) made.append(element("div", mate.answered ? "answered" : "waiting", mate.answered ? w.here : w.waits));
  return made;
}

function draw() {
  const w = words(), silent = (Date.now() - heardAt) / 1000, extra = heardAt ? Math.floor(silent) : 0;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = w.title;
  at("title").textContent = w.title; at("call").textContent = w.call; at("language").textContent = w.other;
  at("sound").textContent = sound ? w.sounding : w.sound; at("note").textContent = w.note;
  at("door-words").textContent = w.door; at("enter").textContent = w.enter;
  const lost = !heardAt || silent > 5;
  at("state").textContent = lost ? `${w.lost}${heardAt ? ` ${age(Math.floor(silent))}` : ""}` : w.ok;
  at("state").className = lost ? "lost" : "";
  if (!last?.mates) return;
  const called = last.asked_s !== null;
  at("called").textContent = called ? `${last.answered}/${last.of}` : "";
  at("mates").replaceChildren(...(last.mates.length ? last.mates.map((mate) => card(mate, extra, called)) : [element("p", "", w.nobody)]));
  const alarms = new Set(last.mates.flatMap((mate) => mate.alarms.map((alarm) => `${mate.device} ${alarm.code}`)));
  if (sound && [...alarms].some((one) => !alarmsBefore.has(one))) beep();
  alarmsBefore = alarms;
}

function beep() {
  for (let i = 0; i < 6; i += 1) {
    const tone = sound.createOscillator();
    tone.frequency.value = i % 2 ? 1400 : 2200;
    tone.connect(sound.destination);
    tone.start(sound.currentTime + i * 0.2);
    tone.stop(sound.currentTime + i * 0.2 + 0.15);
  }
}

async function look() {
  try {
    const answer = await fetch("/team.json", { headers: code ? { "X-Code": code } : {} });
    at("door").hidden = answer.status !== 401;
    if (answer.ok) { last = await answer.json(); heardAt = Date.now(); }
  } catch { /* said by the state line */ }
  draw();
}

at("call").onclick = () => fetch("/roll-call", { method: "POST", headers: { "X-Zhantu": "1", ...(code ? { "X-Code": code } : {}) } }).then(look, look);
at("language").onclick = () => { language = language === "zh" ? "en" : "zh"; keep("language", language); draw(); };
at("theme").onclick = () => { const now = document.documentElement.dataset.theme === "day" ? "night" : "day"; document.documentElement.dataset.theme = now; keep("theme", now); };
at("sound").onclick = () => { sound ??= new AudioContext(); beep(); draw(); };
at("door").onsubmit = (event) => { event.preventDefault(); code = at("code").value.trim(); keep("code", code); look(); };
document.documentElement.dataset.theme = kept("theme", "night");
look();
setInterval(look, 1000);
