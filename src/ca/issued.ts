import { hash } from 'node:crypto';
import type { Entry, Store, Write } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';

/** What is remembered of every certificate until it ends, whatever became of its instance: enough to refuse it. */
export type IssuedCertificate = {
  readonly serial: string;
  readonly id: SpiffeId;
  /** `NAMESPACE/NAME/INSTANCE` that it was issued to. */
  readonly instance: string;
  /** SHA-256 of its DER, lower-case hex. */
  readonly digest: string;
  readonly notAfter: Instant;
};

export const ISSUED_PREFIX = 'issued/';

/** Stands while an instance is to get no certificate: it was revoked, and did not join anew since. */
export const barredKey = (instance: string): string => `barred/${instance}`;

const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';

/** The record of a certificate. */
export const issuedTo = (instance: string, { serial, id, notAfter, chainPem }: X509Svid): IssuedCertificate => {
  const leaf = chainPem.slice(chainPem.indexOf(BEGIN) + BEGIN.length, chainPem.indexOf(END));
  const digest = hash('sha256', Buffer.from(leaf, 'base64'), 'hex');
  return { serial, id, instance, digest, notAfter };
};

/** To be committed together with the certificate; a conflict where another one has its serial. */
export const issuedWrite = (issued: IssuedCertificate): Write => ({
  key: ISSUED_PREFIX + issued.serial,
  value: Buffer.from(JSON.stringify(issued)),
  ifRevision: 0,
});

/** Every certificate that was issued and has not ended. */
export type IssuedLedger = {
  readonly add: (issued: IssuedCertificate) => void;
  /** Those that have not ended. */
  readonly live: (now: Instant) => readonly IssuedCertificate[];
  /** Drops those that have ended, from the store too. */
  readonly prune: (now: Instant) => Promise<void>;
};

/** Starts with what the store holds; nobody else writes there. */
export const issuedLedger = (store: Store): IssuedLedger => {
  const bySerial = new Map<string, IssuedCertificate>(store.list(ISSUED_PREFIX).map(readIssued));
  return {
    add: (issued) => void bySerial.set(issued.serial, issued),
    live: (now) => [...bySerial.values()].filter(({ notAfter }) => now < notAfter),
    prune: async (now) => {
      const over = [...bySerial.values()].filter(({ notAfter }) => now >= notAfter);
      if (over.length === 0) return;
      await store.commit(over.map(({ serial }) => ({ key: ISSUED_PREFIX + serial, value: undefined })));
      for (const { serial } of over) bySerial.delete(serial);
    },
  };
};

const readIssued = ({ value }: Entry): readonly [string, IssuedCertificate] => {
  const issued = JSON.parse(Buffer.from(value).toString('utf8')) as IssuedCertificate;
  return [issued.serial, issued];
};
