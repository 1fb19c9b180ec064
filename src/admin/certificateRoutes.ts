import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { LiveCertificate } from '../control/certificates/liveCertificates.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import { newSlices } from '../lib/slices.ts';
import { type Instant, iso } from '../lib/time.ts';
import type { CaPort } from './caRoutes.ts';
import type { IssuedAnswer } from './responses.ts';

/** Every certificate that lives. It is written while it is sent, in slices: a large mesh has thousands. */
export const certificateRoutes = (app: FastifyInstance, control: ControlPlane, ca: Pick<CaPort, 'describe'>): void => {
  app.get('/api/v1/ca/certificates', (_request, reply) => {
    const { trustDomain, slots } = ca.describe();
    const roots = new Map(slots.map(({ serial, root }) => [serial, root]));
    const { at, live } = control.certificates.live();
    const parts = jsonParts(JSON.stringify({ at: iso(at), trustDomain }), live, (one) => answerOf(one, roots, at));
    return reply.type('application/json; charset=utf-8').send(Readable.from(parts));
  });
};

const answerOf = (one: LiveCertificate, roots: ReadonlyMap<string, string>, at: Instant): IssuedAnswer => ({
  node: one.node,
  identity: one.id,
  serial: one.serial,
  issuer: one.issuer ?? null,
  root: roots.get(one.issuer ?? '') ?? null,
  notBefore: one.notBefore === undefined ? null : iso(one.notBefore),
  notAfter: iso(one.notAfter),
  secondsLeft: Math.floor((one.notAfter - at) / 1000),
  state: one.state,
});

/** Rows that become one piece of text. */
const ROWS = 100;

const jsonParts = async function* <T>(head: string, rows: readonly T[], show: (row: T) => object) {
  const slices = newSlices();
  yield `${head.slice(0, -1)},"certificates":[`;
  for (let from = 0; from < rows.length; from += ROWS) {
    await slices.pause();
    const text = rows.slice(from, from + ROWS).map((row) => JSON.stringify(show(row)));
    yield `${from === 0 ? '' : ','}${text.join(',')}`;
  }
  yield ']}';
};
