import { createHash, createPrivateKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { AppError } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import type { Duration, Instant } from '../../lib/time.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';
import { EMPTY_NAME, pem } from '../der.ts';
import type { PublicPart } from '../keys.ts';
import {
  authorityKeyExtension,
  caExtensions,
  keyIdentifier,
  leafExtensions,
  subjectKeyExtension,
  uriExtension,
} from '../profile.ts';
import { BACKDATE, newSerial, signCertificate, wholeSeconds } from '../sign.ts';
import { localSigner, type Signer } from '../signer.ts';
import { leafCsrKey, readCsr } from './csr.ts';
import { type Foreign, readPemChain, subjectKeyOf } from './foreign.ts';
import type { RemoteSigner, SignAsk } from './remoteSigner.ts';

/** Life of an intermediate below the CA of the files: short, because that CA can sign the next one at any time. */
const INTERMEDIATE_LIFE: Duration = 7 * 86_400_000;

export type FileSignerOptions = {
  /** Absolute paths. */
  readonly certificate: string;
  readonly key: string;
  readonly roots: string | undefined;
  readonly now: () => Instant;
};

const failed = (sentence: string): AppError<'signer_failed'> => new AppError('signer_failed', sentence);

/** Codes alone: the words of an error may quote what was read. */
const codeOf = (thrown: unknown): string =>
  typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : 'it is of another form';

/** Far more than a chain or a file of roots has. */
const MOST_BYTES = 1024 * 1024;

const read = (path: string): string => {
  try {
    const found = statSync(path);
    // A pipe or a device may say nothing for ever, and all of Signet would wait for it.
    if (!found.isFile()) throw failed(`${printable(path)} is no regular file`);
    if (found.size > MOST_BYTES) throw failed(`${printable(path)} is larger than ${MOST_BYTES} bytes`);
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof AppError) throw thrown;
    throw failed(`${printable(path)} cannot be read (${codeOf(thrown)})`);
  }
};

type FileCa = { readonly certificate: Foreign; readonly above: string; readonly signer: Signer };

/** All of it anew each time: whoever renews the files renews all of them, by renaming. */
const readCa = ({ certificate, key, roots }: FileSignerOptions): FileCa => {
  const chain = read(certificate);
  const parsed = readPemChain(chain);
  if (!parsed.ok) throw failed(`${printable(certificate)}: ${parsed.error}`);
  const [ca] = parsed.value;
  if (ca === undefined) throw failed(`${printable(certificate)} is empty`);
  let signer: Signer;
  try {
    const privateKey = createPrivateKey(read(key));
    if (!ca.x509.checkPrivateKey(privateKey)) throw failed(`the key in ${printable(key)} is not the one of ${ca.name}`);
    signer = localSigner(privateKey);
  } catch (thrown) {
    if (thrown instanceof AppError) throw thrown;
    throw failed(`${printable(key)} holds no private key that can be read (${codeOf(thrown)})`);
  }
  const held = new Set(parsed.value.map(({ pem }) => pem));
  const more = roots === undefined ? ({ ok: true, value: [] } as const) : readPemChain(read(roots));
  if (!more.ok) throw failed(`${printable(roots ?? '')}: ${more.error}`);
  // Only what continues the chain: a file of roots may hold others beside.
  const last = parsed.value.at(-1);
  const root = more.value.find((one) => !held.has(one.pem) && last?.x509.checkIssued(one.x509));
  return { certificate: ca, above: [...held, ...(root === undefined ? [] : [root.pem])].join(''), signer };
};

const sign = (
  { certificate, signer }: FileCa,
  key: PublicPart,
  subject: Buffer,
  extensions: readonly Buffer[],
  span: { readonly now: Instant; readonly life: Duration },
): string => {
  const { subject: issuer, notBefore, notAfter, spki } = certificate.read;
  const identifier = subjectKeyOf(certificate) ?? keyIdentifier(spki);
  const der = signCertificate(
    {
      serial: newSerial(),
      issuer,
      subject,
      notBefore: Math.max(wholeSeconds(span.now - BACKDATE), notBefore),
      notAfter: Math.min(wholeSeconds(span.now + span.life), notAfter),
      spki: key.spki,
      extensions: [...extensions, subjectKeyExtension(keyIdentifier(key.point)), authorityKeyExtension(identifier)],
    },
    signer,
  );
  return pem('CERTIFICATE', der);
};

/**
 * A CA whose certificate, key and roots lie in files that somebody else renews: cert-manager, a Vault agent. It is given a
 * request as any other signer is, and its answer is judged as any other.
 */
export const fileSigner = (options: FileSignerOptions): RemoteSigner =>
  Object.freeze({
    name: `the signer (file ${printable(options.certificate)})`,
    origin: () => {
      let content: string;
      try {
        content = read(options.certificate);
      } catch {
        content = ''; // told when it is asked to sign
      }
      return `file ${createHash('sha256')
        .update(JSON.stringify([options.certificate, content]))
        .digest('hex')
        .slice(0, 16)}`;
    },
    sign: async ({ csr, use, id, ttl }: SignAsk) => {
      const ca = readCa(options);
      const now = options.now();
      const uri = uriExtension(id as SpiffeId, use === 'leaf');
      if (use === 'leaf') {
        const key = leafCsrKey(csr, id as SpiffeId);
        if (!key.ok) throw failed(`the request is refused: ${key.error}`);
        const life = ttl ?? INTERMEDIATE_LIFE;
        return sign(ca, key.value, EMPTY_NAME, [leafExtensions('workload'), uri], { now, life }) + ca.above;
      }
      const request = readCsr(csr);
      if (!request.ok) throw failed(`the request is refused: ${request.error}`);
      const span = { now, life: INTERMEDIATE_LIFE };
      return sign(ca, request.value.key, request.value.subject, [caExtensions(0), uri], span) + ca.above;
    },
  });
