import {
  ADS,
  type AdsClient,
  type AdsClientOptions,
  type AdsResponse,
  type Asking,
  codecOf,
  type NodeClaim,
  nodeMessage,
  openAds,
} from './adsClient.ts';

const REQUEST = codecOf('envoy.service.discovery.v3.DiscoveryRequest');
const RESPONSE = codecOf('envoy.service.discovery.v3.DiscoveryResponse');

/** Writes a DiscoveryRequest. */
export const encodeSotwRequest = (type: string, asking: Asking, node: NodeClaim | undefined): Buffer =>
  REQUEST.encode({
    ...(node === undefined ? {} : { node: nodeMessage(node) }),
    version_info: asking.version ?? '',
    type_url: type,
    resource_names: asking.names ?? [],
    response_nonce: asking.nonce ?? '',
    ...(asking.error === undefined ? {} : { error_detail: { code: 13, message: asking.error } }),
  });

/** Reads a DiscoveryResponse. Its resources have their names inside: here they have none. */
export const decodeSotwResponse = (bytes: Buffer): AdsResponse => {
  const wire = RESPONSE.decode(bytes) as {
    version_info: string;
    resources: { type_url: string; value: Buffer }[];
    type_url: string;
    nonce: string;
  };
  const resources = wire.resources.map(({ type_url: typeUrl, value }) => ({ name: '', version: '', typeUrl, value }));
  return { type: wire.type_url, nonce: wire.nonce, version: wire.version_info, resources, removed: [] };
};

/**
 * Opens a stream of state of the world. As the protocol wants it, each request says again all names, the nonce of the newest
 * response and the version that was last ACKed, unless it is given others.
 */
export const openSotw = (options: AdsClientOptions, method = `${ADS}/StreamAggregatedResources`): AdsClient => {
  const said = new Map<string, Asking>();
  return openAds(options, method, {
    encode: (type, asking, node) => {
      const now = { ...said.get(type), ...asking };
      const { error: _, ...kept } = now;
      said.set(type, kept);
      return encodeSotwRequest(type, now, node);
    },
    decode: (bytes) => {
      const response = decodeSotwResponse(bytes);
      said.set(response.type, { ...said.get(response.type), nonce: response.nonce });
      return response;
    },
  });
};
