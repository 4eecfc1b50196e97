// Node's http2 client against halo's test server: node node_client.mjs CASE URL CA-FILE LENGTH COUNT
// Ends with status 0 when the case is as it should be; otherwise the reason is on stderr.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { pipeline } from 'node:stream/promises';
import { patternSha, patternStream } from './pattern.mjs';

const [name, url, ca, length, count] = process.argv.slice(2);
const LENGTH = Number(length);
const COUNT = Number(count);

function connect() {
  const session = http2.connect(url, { ca: ca ? readFileSync(ca) : undefined });
  session.on('error', (error) => { throw error; });
  return session;
}

// Status, fields, trailers and body of one exchange. `body`: a Buffer, string or stream.
async function exchange(session, headers, body, options = {}) {
  const request = session.request(headers, { endStream: body === undefined, ...options });
  const answer = { information: [], trailers: {}, hash: createHash('sha256'), length: 0, body: '' };
  request.on('headers', (fields) => answer.information.push(fields));
  request.on('trailers', (fields) => { answer.trailers = fields; });
  request.on('continue', () => answer.information.push({ ':status': 100 }));
  request.on('data', (piece) => {
    answer.hash.update(piece);
    answer.length += piece.length;
    if (answer.length < 1e6)
      answer.body += piece;
  });
  const ended = once(request, 'close');
  const responded = once(request, 'response');
  if (body !== undefined && typeof body.pipe === 'function')
    await pipeline(body, request);
  else if (body !== undefined)
    request.end(body);
  [answer.headers] = await responded;
  await ended;
  answer.status = answer.headers[':status'];
  return answer;
}

const cases = {
  async get(session) {
    const answer = await exchange(session, { ':path': '/' });
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'halo test server\n');
  },
  async head(session) {
    const answer = await exchange(session, { ':path': '/bytes/12345', ':method': 'HEAD' });
    assert.equal(answer.headers['content-length'], '12345');
    assert.equal(answer.length, 0);
  },
  async notFound(session) {
    assert.equal((await exchange(session, { ':path': '/nowhere' })).status, 404);
  },
  async download(session) {
    for (const route of ['bytes', 'borrow']) {
      const answer = await exchange(session, { ':path': `/${route}/${LENGTH}` });
      assert.equal(answer.length, LENGTH);
      assert.equal(answer.hash.digest('hex'), patternSha(LENGTH));
    }
  },
  async upload(session) {
    const answer = await exchange(session, { ':path': '/hash', ':method': 'POST' },
                                  patternStream(LENGTH));
    assert.equal(answer.body, `${patternSha(LENGTH)} ${LENGTH}\n`);
  },
  async echo(session) {
    for (const path of ['/echo', '/echo-slice']) {
      const answer = await exchange(session, { ':path': path, ':method': 'POST' },
                                    patternStream(LENGTH));
      assert.equal(answer.length, LENGTH);
      assert.equal(answer.hash.digest('hex'), patternSha(LENGTH));
    }
  },
  async trailersReceived(session) {
    const answer = await exchange(session, { ':path': '/trailers', ':method': 'POST' }, 'hello');
    assert.equal(answer.body, 'hello');
    assert.equal(answer.trailers['body-octets'], '5');
  },
  async trailersSent(session) {
    const request = session.request({ ':path': '/trailers', ':method': 'POST', 'trailer': 'x-sum' },
                                    { waitForTrailers: true });
    let trailers;
    request.on('wantTrailers', () => request.sendTrailers({ 'x-sum': 'abc', 'x-more': 'd e f' }));
    request.on('trailers', (fields) => { trailers = fields; });
    request.resume();
    request.end('hello');
    await once(request, 'close');
    assert.equal(trailers['echo-x-sum'], 'abc');
    assert.equal(trailers['echo-x-more'], 'd e f');
    assert.equal(trailers['body-octets'], '5');
  },
  async information(session) {
    const answer = await exchange(session, { ':path': '/info' });
    assert.deepEqual(answer.information.map((fields) => [fields[':status'], fields.link]), [
      [103, '</style.css>; rel=preload; as=style'],
      [103, '</code.js>; rel=preload; as=script'],
    ]);
    assert.equal(answer.status, 200);
  },
  async expect(session) {
    const request = session.request({ ':path': '/hash', ':method': 'POST', 'expect': '100-continue' });
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (piece) => { body += piece; });
    await once(request, 'continue');
    request.end('hello');
    await once(request, 'close');
    assert.match(body, /^2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 5\n/);
  },
  async streams(session) {
    // Requests wait for the server's SETTINGS, which allow that many streams at once.
    await once(session, 'remoteSettings');
    const answers = [];
    for (let i = 0; i < COUNT; i++)
      answers.push(exchange(session, { ':path': '/slow/500' }));
    for (const answer of await Promise.all(answers))
      assert.equal(answer.body, 'slow\n');
    const { body } = await exchange(session, { ':path': '/stats' });
    assert.ok(Number(/peak (\d+)/.exec(body)[1]) >= COUNT, body);
  },
  async sequence(session) {
    for (let i = 0; i < COUNT; i++)
      assert.equal((await exchange(session, { ':path': '/bytes/100' })).length, 100);
  },
  async bigHeaders(session) {
    const fields = { ':path': '/headers' };
    for (let i = 0; i < 28; i++)
      fields[`x-big-${i}`] = String.fromCharCode(97 + i % 26).repeat(1000);
    const { body } = await exchange(session, fields);
    for (let i = 0; i < 28; i++)
      assert.ok(body.includes(`x-big-${i}: ${fields[`x-big-${i}`]}\n`), `x-big-${i}`);
  },
  async cookies(session) {
    // Each goes out as a field of its own (RFC 9113 8.2.3).
    const cookie = Array.from({ length: 200 }, (_, i) => `name${i}=value${i}`);
    const { body } = await exchange(session, { ':path': '/headers', cookie });
    const received = body.split('\n').filter((line) => line.startsWith('cookie: '))
      .map((line) => line.slice(8)).join('; ');
    assert.equal(received, cookie.join('; '));
  },
  async methods(session) {
    for (const method of ['DELETE', 'OPTIONS', 'PROPFIND', 'PURGE', 'M-SEARCH', 'x']) {
      const { body } = await exchange(session, { ':path': '/headers', ':method': method });
      assert.ok(body.includes(`:method: ${method}\n`), body);
    }
  },
  async resets(session) {
    for (const code of [2, 7, 8, 11]) {
      const request = session.request({ ':path': `/reset/${code}` });
      request.resume();
      request.on('error', () => {}); // is told too, and once() would take it for its own failure
      await new Promise((resolve) => request.on('close', resolve));
      assert.equal(request.rstCode, code);
    }
    assert.equal((await exchange(session, { ':path': '/' })).status, 200);
  },
  // The client's own cancels; the connection goes on.
  async cancel(session) {
    for (let i = 0; i < 50; i++) {
      const request = session.request({ ':path': '/bytes/1000000000' });
      await once(request, 'data');
      request.close(http2.constants.NGHTTP2_CANCEL);
      request.resume();
      await once(request, 'close');
    }
    assert.equal((await exchange(session, { ':path': '/' })).status, 200);
  },
  async ping(session) {
    for (let i = 0; i < 20; i++)
      await new Promise((resolve, reject) =>
        session.ping((error) => (error ? reject(error) : resolve())));
  },
  async settings(session) {
    for (const initialWindowSize of [1000, 65535, 1000000]) {
      await new Promise((resolve) => session.settings({ initialWindowSize }, resolve));
      const answer = await exchange(session, { ':path': '/bytes/3000000' });
      assert.equal(answer.hash.digest('hex'), patternSha(3000000));
    }
  },
  async close(session) {
    const goaway = once(session, 'goaway');
    assert.equal((await exchange(session, { ':path': '/close' })).body, 'closing\n');
    assert.equal((await goaway)[0], 0);
    await once(session, 'close');
  },
  async connections(session) {
    const sessions = Array.from({ length: 100 }, connect);
    await Promise.all(sessions.map(async (one) => {
      assert.equal((await exchange(one, { ':path': '/' })).status, 200);
      one.close();
      await once(one, 'close');
    }));
  },
};

const session = connect();
await once(session, 'connect');
await cases[name](session);
if (!session.closed)
  session.close();
