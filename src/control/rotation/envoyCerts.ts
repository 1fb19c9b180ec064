import type { HostPort } from '../../plan/proxyPlan.ts';
import type { X509Svid } from '../../spiffe/svid.ts';
import type { StreamId } from '../../xds/events.ts';
import { askEnvoy } from '../askEnvoy.ts';
import type { Holder } from './sidecarFacts.ts';

/** Serials of the certificates that an Envoy holds for a URI; `undefined` if it does not say. */
export type AskSerials = (admin: HostPort, uri: string) => Promise<readonly string[] | undefined>;

type Certs = {
  readonly certificates?: readonly {
    readonly cert_chain?: readonly {
      readonly serial_number?: string;
      readonly subject_alt_names?: readonly { readonly uri?: string }[];
    }[];
  }[];
};

/** Leading zeros are left out by Envoy, and a serial of ours has none. */
const plain = (serial: string): string => serial.toLowerCase().replace(/[^0-9a-f]/g, '');

/** Serials of all leaves for a URI in what `/certs` answered. */
export const serialsOf = (text: string, uri: string): readonly string[] => {
  try {
    const { certificates = [] } = JSON.parse(text) as Certs;
    const held = certificates.flatMap(({ cert_chain: chain = [] }) =>
      chain
        .filter(({ subject_alt_names: names = [] }) => names.some((name) => name.uri === uri))
        .map(({ serial_number: serial = '' }) => plain(serial)),
    );
    return [...new Set(held)];
  } catch {
    return []; // whatever listens there is no Envoy
  }
};

/** Asks Envoy's admin port what it holds. https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--certs */
export const askEnvoySerials: AskSerials = async (admin, uri) => {
  const answer = await askEnvoy(admin, '/certs').catch(() => undefined);
  const held = answer?.status === 200 ? serialsOf(answer.text, uri) : [];
  // One that names none, or is no Envoy, says nothing against the ACK.
  return held.length === 0 ? undefined : held;
};

/** Asked at once. */
const AT_ONCE = 8;

/** What Envoys say themselves of the certificates that they ACKed: each is asked until it agrees, or does not answer. */
export const newEnvoyCerts = (ask: AskSerials) => {
  /** The serial that needs no more asking, by stream. */
  const settled = new Map<StreamId, string>();
  const contradictions = new Map<StreamId, string>();
  /** The serial that was seen in `/certs`, by stream. */
  const seen = new Map<StreamId, string>();

  const askOne = async ({ stream, envoyAdmin }: Holder, { id, serial }: X509Svid): Promise<void> => {
    if (envoyAdmin === undefined) return;
    const held = await ask(envoyAdmin, id);
    contradictions.delete(stream);
    if (held?.includes(serial) === true) seen.set(stream, serial);
    // While old connections drain it may hold both.
    if (held === undefined || held.includes(serial)) settled.set(stream, serial);
    else contradictions.set(stream, held.join(', '));
  };

  return Object.freeze({
    /** Asks those that were not heard yet about the certificate that they ACKed. `true` if any was asked. */
    confirm: async (
      holders: readonly Holder[],
      ackedBy: (holder: Holder) => X509Svid | undefined,
    ): Promise<boolean> => {
      const unheard = holders.flatMap((holder) => {
        const acked = ackedBy(holder);
        const open =
          holder.envoyAdmin !== undefined && acked !== undefined && settled.get(holder.stream) !== acked.serial;
        return open ? [{ holder, acked }] : [];
      });
      for (let at = 0; at < unheard.length; at += AT_ONCE)
        await Promise.all(unheard.slice(at, at + AT_ONCE).map(({ holder, acked }) => askOne(holder, acked)));
      return unheard.length > 0;
    },
    contradicted: ({ stream }: Holder): string | undefined => contradictions.get(stream),
    /** Whether its Envoy itself showed this certificate. */
    shows: ({ stream }: Holder, serial: string | undefined): boolean =>
      serial !== undefined && seen.get(stream) === serial,
    forget: (stream: StreamId): void => {
      seen.delete(stream);
      settled.delete(stream);
      contradictions.delete(stream);
    },
  });
};
