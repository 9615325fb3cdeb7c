// Sends a file by the public TUS client: first a part of it, then, as if in another process, the rest.
// node upload.js ENDPOINT TOKEN FILE, with the client's folder in NODE_PATH.

const fs = require("fs");
const tus = require("tus-js-client");

const [endpoint, token, path] = process.argv.slice(2);
const size = fs.statSync(path).size;

const options = {
  headers: { authorization: `Bearer ${token}` },
  metadata: { filename: "film.txt", filetype: "text/plain" },
  chunkSize: 1000,
  uploadSize: size,
  retryDelays: [],
};

function send(further, until) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(fs.createReadStream(path), {
      ...options,
      ...further,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: (_, accepted) => {
        if (accepted >= until) upload.abort().then(() => resolve(upload.url), reject);
      },
    });
    upload.start();
  });
}

async function run() {
  const url = await send({ endpoint }, size / 2);
  await send({ uploadUrl: url }, Infinity);
  const given = await send({ endpoint }, 1000);
  await tus.Upload.terminate(given, options);
}

run().then(() => console.log("sent"), (error) => {
  console.error(error.message);
  process.exit(1);
});
