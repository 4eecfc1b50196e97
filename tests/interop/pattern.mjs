// The body of tests/lib/pattern.c, for the scripts that run in Node.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

const PERIOD = 65521;
const unit = Buffer.alloc(PERIOD, 0);
for (let i = 0; i < PERIOD; i++)
  unit[i] = (i * 31 + (i >> 8)) & 0xff;

// The pattern in pieces of one period.
export function* patternPieces(length) {
  for (let offset = 0; offset < length; offset += PERIOD)
    yield unit.subarray(0, Math.min(PERIOD, length - offset));
}

export const patternStream = (length) => Readable.from(patternPieces(length), { objectMode: false });

export function patternSha(length) {
  const hash = createHash('sha256');
  for (const piece of patternPieces(length))
    hash.update(piece);
  return hash.digest('hex');
}
