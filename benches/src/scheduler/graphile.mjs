// graphile-worker, one process of it. `tables` makes its tables. `jobs` has so many jobs be due in one minute.
// `cron` is a worker with so many crontab items for that minute, `work` one without: it runs a task that does
// nothing, and once nothing has been done for a while it says on one line when its items were enqueued and
// when each job was done, in milliseconds after that minute.
import { EventEmitter } from "node:events";
import { Logger, makeWorkerUtils, parseCronItems, run, runMigrations } from "graphile-worker";

const [mode, connectionString, count, minute] = process.argv.slice(2);
// Silent: a line for each job would be what is measured.
const logger = new Logger(() => () => {});
const due = Number(minute);
const at = new Date(due);

if (mode === "tables") {
  await runMigrations({ connectionString, logger });
  process.exit(0);
}
if (mode === "jobs") {
  const utils = await makeWorkerUtils({ connectionString, logger });
  const sql = `select graphile_worker.add_job('job', run_at := $2) from generate_series(1, $1)`;
  await utils.withPgClient((client) => client.query(sql, [Number(count), at]));
  await utils.release();
  process.exit(0);
}

const match = (digest) =>
  digest.min === at.getUTCMinutes() && digest.hour === at.getUTCHours();
const items = Array.from({ length: mode === "cron" ? Number(count) : 0 }, (_, n) => ({
  task: "job",
  match,
  identifier: `job${n}`,
}));
const events = new EventEmitter();
let enqueued = mode === "cron" ? null : 0;
const done = [];
events.on("cron:scheduled", () => (enqueued ??= Date.now() - due));
events.on("job:success", () => done.push(Date.now() - due));
const runner = await run({
  connectionString,
  concurrency: 64,
  maxPoolSize: 64,
  noHandleSignals: true,
  events,
  taskList: { job: async () => {} },
  parsedCronItems: parseCronItems(items),
  logger,
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
  // Only once it is written: an end at once cuts what a pipe does not take in one piece.
  process.stdout.write(`${JSON.stringify({ enqueued, done })}\n`, () => process.exit(0));
}, 3000);
