// Says hello, in JavaScript: the `fetch` event that service workers have.

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const name = new URL(request.url).searchParams.get('name') ?? 'world';
  return new Response(`hello, ${name}, from JavaScript\n`, {
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  });
}
