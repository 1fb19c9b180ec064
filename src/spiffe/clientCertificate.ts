import { err, ok, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import { OID } from './oid.ts';
import {
  type CertificateFields,
  readCertificate,
  readElements,
  readOid,
  readUris,
  serialText,
} from './readCertificate.ts';

/** What a workload's certificate says of whoever holds its key. Who signed it is the TLS handshake's to judge. */
export type ClientCertificate = {
  /** The one URI, as text. */
  readonly spiffeId: string;
  /** Lower-case hex, as in `X509Svid`. */
  readonly serial: string;
  readonly notAfter: Instant;
};

const EMPTY = Buffer.alloc(0);
/** keyCertSign and cRLSign in the first octet of a KeyUsage. */
const SIGNS_FOR_OTHERS = 0x06;

/**
 * Reads a client's certificate as an X.509-SVID, or says in a sentence why it is none.
 * https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#5-validation
 */
export const readClientCertificate = (der: Buffer, now: Instant): Result<ClientCertificate, string> => {
  try {
    const read = readCertificate(der);
    const fault = faultOf(read, now);
    const uris = readUris(contentsOf(read, OID.subjectAltName));
    const [spiffeId] = uris;
    if (fault !== undefined) return err(`the client certificate ${fault}`);
    // Envoy's validators take two URIs: which of them would it be?
    if (spiffeId === undefined || uris.length !== 1) return err('the client certificate does not name exactly one URI');
    return ok({ spiffeId, serial: serialText(read.serial), notAfter: read.notAfter });
  } catch {
    // The reader's words are about bytes, and a name that is no URI ends here too.
    return err('the client certificate is no X.509-SVID');
  }
};

const contentsOf = (read: CertificateFields, oid: string): Buffer => read.extensions.get(oid)?.value ?? EMPTY;

const faultOf = (read: CertificateFields, now: Instant): string | undefined => {
  const [purposes] = readElements(contentsOf(read, OID.extKeyUsage));
  const [constraints] = readElements(contentsOf(read, OID.basicConstraints));
  const [usage] = readElements(contentsOf(read, OID.keyUsage));
  const mayBeClient = readElements(purposes?.body ?? EMPTY).some(({ body }) => readOid(body) === OID.clientAuth);
  // DER leaves CA:FALSE out, so whatever is said here says CA:TRUE or a path length.
  if ((constraints?.body ?? EMPTY).length > 0) return 'is a CA certificate';
  if (((usage?.body[1] ?? 0) & SIGNS_FOR_OTHERS) !== 0) return 'is a CA certificate';
  if (!mayBeClient) return 'is not for clients';
  if (now < read.notBefore) return 'is not valid yet';
  if (now >= read.notAfter) return 'has expired';
  return undefined;
};
