import { X509Certificate } from 'node:crypto';
import { askEnvoy, type EnvoyAdmin } from '../control/askEnvoy.ts';
import { serialsOf } from '../control/rotation/envoyCerts.ts';
import type { ClientSvid } from './fetchSvid.ts';

const uriOf = (chainPem: string): string => new X509Certificate(chainPem).subjectAltName?.replace(/^URI:/, '') ?? '';

/** Looks in a row after which an Envoy without its control plane counts as cut off, and not as one that just comes back. */
const CUT_OFF_AFTER = 2;

/**
 * Tells whether there is a reason to ask for a client certificate before the present one is due: Envoy was pushed another
 * certificate of the same identity meanwhile (somebody renewed it, or its CA is rotated), or is cut off, perhaps because the
 * CA of the present one was compromised. Each new reason counts once.
 */
export const newerCertificate = (admin: EnvoyAdmin): ((held: ClientSvid) => Promise<boolean>) => {
  let known = '';
  let cutOff = 0;
  return async ({ serial, chainPem }) => {
    const [certs, stats] = await Promise.all([
      askEnvoy(admin, '/certs'),
      askEnvoy(admin, '/stats?filter=^control_plane.connected_state$'),
    ]);
    if (certs?.status !== 200 || stats?.status !== 200) return false;
    cutOff = /connected_state: 0/.test(stats.text) ? cutOff + 1 : 0;
    if (cutOff > 0 && cutOff % CUT_OFF_AFTER === 0) return true;
    const others = serialsOf(certs.text, uriOf(chainPem)).filter((held) => held !== serial);
    const seen = [serial, ...others].join();
    const isNews = others.length > 0 && seen !== known;
    known = seen;
    return isNews;
  };
};
