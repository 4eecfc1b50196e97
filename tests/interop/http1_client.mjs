// Node's http and https clients against halo's server: node http1_client.mjs CASE URL CA LENGTH
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';


const [name, base, ca, lengthText] = process.argv.slice(2);
const length = Number(lengthText);
const secure = base.startsWith('https:');
const { Agent, request: start } = secure ? https : http;
const agent = new Agent({
  keepAlive: true, maxSockets: 1, ...(secure && { ca: fs.readFileSync(ca), ALPNProtocols: ['http/1.1'] }),
});
const ports = new Set();

function request(path, options = {}, send = (outgoing) => outgoing.end()) {
  return new Promise((resolve, reject) => {
    const outgoing = start(base + path, { agent, ...options });
    const information = [];
    outgoing.on('error', reject);
    outgoing.on('information', (info) => information.push(info.statusCode));
    outgoing.on('socket', (socket) => (socket.connecting
      ? socket.once(secure ? 'secureConnect' : 'connect', () => ports.add(socket.localPort))
      : ports.add(socket.localPort)));
    outgoing.on('response', (incoming) => {
      const hash = crypto.createHash('sha256');
      const chunks = [];
      let octets = 0;
      incoming.on('data', (data) => {
        hash.update(data);
        octets += data.length;
        if (octets < 65536) chunks.push(data);
      });
      incoming.on('error', reject);
      incoming.on('end', () => resolve({
        status: incoming.statusCode, version: incoming.httpVersion, headers: incoming.headers,
        trailers: incoming.trailers, information, octets, hash: hash.digest('hex'), text: Buffer.concat(chunks).toString(),
      }));
    });
    send(outgoing);
  });
}

const content = crypto.randomBytes(length || 1);
const sum = crypto.createHash('sha256').update(content).digest('hex');

const cases = {
  async get() {
    const answer = await request('/');
    assert.equal(answer.status, 200);
    assert.equal(answer.version, '1.1');
    assert.equal(answer.text, 'halo test server\n');
  },

  async keepAlive() {
    for (let i = 0; i < 200; i++) {
      const answer = await request(i % 3 === 0 ? '/bytes/100' : '/', { method: i % 5 === 0 ? 'HEAD' : 'GET' });
      assert.equal(answer.status, 200);
    }
    assert.equal(ports.size, 1);
  },

  async echo() {
    for (const headers of [{ 'content-length': content.length }, {}]) {
      for (const path of ['/echo', '/echo-slice']) {
        const answer = await request(path, { method: 'POST', headers }, (outgoing) => {
          for (let at = 0; at < content.length; at += 100000) outgoing.write(content.subarray(at, at + 100000));
          outgoing.end();
        });
        assert.equal(answer.octets, content.length);
        assert.equal(answer.hash, sum);
      }
    }
    assert.equal(ports.size, 1);
  },

  async trailers() {
    const answer = await request('/trailers', { method: 'POST', headers: { trailer: 'checksum' } }, (outgoing) => {
      outgoing.write('abc');
      outgoing.addTrailers({ checksum: '42' });
      outgoing.end();
    });
    assert.equal(answer.text, 'abc');
    assert.equal(answer.trailers['echo-checksum'], '42');
    assert.equal(answer.trailers['body-octets'], '3');
  },

  async information() {
    const answer = await request('/info');
    assert.deepEqual(answer.information, [103, 103]);
    assert.equal(answer.text, 'hinted\n');
  },

  async expect() {
    const headers = { expect: '100-continue', 'content-length': 3 };
    let continued = false;
    const answer = await request('/echo', { method: 'POST', headers }, (outgoing) => {
      outgoing.flushHeaders();
      outgoing.on('continue', () => {
        continued = true;
        outgoing.end('abc');
      });
    });
    assert.ok(continued);
    assert.equal(answer.text, 'abc');
  },

  async reset() {
    await assert.rejects(request('/reset/8'), { code: 'ECONNRESET' });
    assert.equal((await request('/')).status, 200);
  },
};

await cases[name]();
agent.destroy();
