import type { RemoteSigner, SignAsk } from '../../src/ca/external/remoteSigner.ts';
import { OID } from '../../src/spiffe/oid.ts';
import { certify, type Party, requested, type Shape, signIntermediate } from './enterprise.ts';

/** An enterprise's CA behind the port of a signer: it signs as it should, unless it is told what to do wrong. */
export type EnterpriseSigner = RemoteSigner & {
  /** Signs with this CA from now on. */
  use: (issuer: Party, above?: readonly Party[]) => void;
  /** What it does wrong from now on. */
  wrong: (shape: Shape) => void;
  /** Answers with this, or fails with it, instead. */
  answer: (instead: (() => string) | undefined) => void;
  readonly asked: readonly SignAsk[];
};

export const leafShape = ({ id, ttl = 3_600_000 }: SignAsk): Shape => ({
  ca: false,
  uris: [id],
  purposes: [OID.serverAuth, OID.clientAuth],
  notBefore: Date.now() - 60_000,
  notAfter: Date.now() + ttl,
});

export const enterpriseSigner = (root: Party): EnterpriseSigner => {
  let [issuer, above]: [Party, readonly Party[]] = [root, []];
  let fault: Shape = {};
  let instead: (() => string) | undefined;
  const asked: SignAsk[] = [];
  return {
    name: 'the signer (test)',
    origin: () => 'test',
    asked,
    use: (next, more = []) => {
      [issuer, above] = [next, more];
    },
    wrong: (shape) => {
      fault = shape;
    },
    answer: (other) => {
      instead = other;
    },
    sign: async (ask) => {
      asked.push(ask);
      if (instead !== undefined) return instead();
      const signed =
        ask.use === 'leaf'
          ? certify({ ...requested(ask.csr), ...leafShape(ask), ...fault }, issuer)
          : signIntermediate(ask.csr, issuer, fault);
      return [signed, issuer, ...above].map(({ pem }) => pem).join('');
    },
  };
};
