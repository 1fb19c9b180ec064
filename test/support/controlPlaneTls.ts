import { secret } from '../../src/lib/secret.ts';
import { selfSigned } from './selfSigned.ts';

/** The identity of the control plane, and a certificate for it that is its own anchor. */
export const SERVER_ID = 'spiffe://shop.example/signet/control-plane';
export const tls = selfSigned(SERVER_ID);
/** The same as a server takes it. */
export const serverTls = { chainPem: tls.chainPem, keyPem: secret(tls.keyPem) };
