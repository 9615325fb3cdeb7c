// One worker of graphile-worker: so many crontab items that are due in one minute, and a task that does
// nothing. Says on one line when they were enqueued and when each was done, in milliseconds after that
// minute, once nothing has been done for a while.
import { EventEmitter } from "node:events";
import { parseCronItems, run } from "graphile-worker";

const [connectionString, count, minute] = process.argv.slice(2);
const due = Number(minute);
const at = new Date(due);
const match = (digest) =>
  digest.min === at.getUTCMinutes() && digest.hour === at.getUTCHours();
const items = Array.from({ length: Number(count) }, (_, n) => ({
  task: "job",
  match,
  identifier: `job${n}`,
}));
const events = new EventEmitter();
let enqueued = null;
const done = [];
events.on("cron:scheduled", () => (enqueued ??= Date.now() - due));
events.on("job:success", () => done.push(Date.now() - due));
const runner = await run({
  connectionString,
  concurrency: 64,
  maxPoolSize: 20,
  noHandleSignals: true,
  events,
  taskList: { job: async () => {} },
  parsedCronItems: parseCronItems(items),
  logger: undefined,
});
let seen = -1;
const look = setInterval(async () => {
  if (Date.now() < due + 5000 || enqueued === null) return;
  if (done.length !== seen) {
    seen = done.length;
    return;
  }
  clearInterval(look);
  await runner.stop();
  console.log(JSON.stringify({ enqueued, done }));
  process.exit(0);
}, 3000);
