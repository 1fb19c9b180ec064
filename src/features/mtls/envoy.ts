import { regexMatcher, textMatcher } from '../../envoy/match.ts';
import { anyParts, bytesOf, bytesOfParts, fromAds, type Part, packAny, typeUrlOf } from '../../envoy/pack.ts';
import { HeaderValueOption_HeaderAppendAction, TransportSocket } from '../../gen/envoy/config/core/v3/base.ts';
import { HeaderMutation } from '../../gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation.ts';
import {
  CertificateValidationContext,
  SubjectAltNameMatcher_SanType,
  TlsParameters,
  TlsParameters_TlsProtocol,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/common.ts';
import type { SdsSecretConfig } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import {
  CommonTlsContext,
  DownstreamTlsContext,
  UpstreamTlsContext,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls.ts';
import { keepNewest } from '../../lib/newest.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';

const secret = (name: string): SdsSecretConfig => ({ name, sdsConfig: fromAds() });

const COMMON = CommonTlsContext.fromPartial({});
const commonPart = (part: Partial<CommonTlsContext>): Buffer => bytesOf(CommonTlsContext, { ...COMMON, ...part });

// Envoy's upstream default is at most 1.2, so both ends are said.
const TLS_1_3 = commonPart({
  tlsParams: TlsParameters.fromPartial({
    tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
    tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
  }),
});

/** There are as many identities as services. */
const MOST = 10_000;

const certificates = new Map<string, Buffer>();

/** What an identity shows to all, of whom each is held against something else: encoded once. */
const ownCertificate = (identity: SpiffeId): Buffer => {
  const known = certificates.get(identity);
  if (known !== undefined) return known;
  const bytes = commonPart({ tlsCertificateSdsSecretConfigs: [secret(identity)] });
  keepNewest(certificates, identity, bytes, MOST);
  return bytes;
};

/** In the order of the generated code, as if the whole were encoded at once. */
const commonContext = (identity: SpiffeId, heldAgainst: Buffer): Part => ({
  field: 1,
  parts: [TLS_1_3, ownCertificate(identity), heldAgainst],
});

const DOWNSTREAM = bytesOf(
  DownstreamTlsContext,
  DownstreamTlsContext.fromPartial({
    requireClientCertificate: true,
    disableStatefulSessionResumption: true,
    sessionTicketKeysType: { $case: 'disableStatelessSessionResumption', value: true },
  }),
);

/**
 * The server side of mTLS: any certificate that this bundle vouches for may connect, rules decide the rest.
 * No session is resumed, for a ticket outlives the certificate that it was given for.
 */
export const downstreamTls = (identity: SpiffeId, bundle: SpiffeId, alpn: readonly string[]): TransportSocket => {
  const bundled = commonPart({
    alpnProtocols: [...alpn],
    validationContextType: { $case: 'validationContextSdsSecretConfig', value: secret(bundle) },
  });
  const value = bytesOfParts([commonContext(identity, bundled), DOWNSTREAM]);
  return tlsSocket({ typeUrl: typeUrlOf(DownstreamTlsContext), value });
};

const UPSTREAM = bytesOf(UpstreamTlsContext, UpstreamTlsContext.fromPartial({ maxSessionKeys: 0 }));
const VALIDATION = CertificateValidationContext.fromPartial({});

/**
 * The client side: shows its own certificate, and accepts what it is held against. The transport socket in parts, for only the
 * certificate is the caller's own.
 */
export const upstreamTls = (identity: SpiffeId, heldAgainst: Buffer): readonly Part[] => [
  SOCKET_NAME,
  { field: 3, parts: anyParts(UpstreamTlsContext, [commonContext(identity, heldAgainst), UPSTREAM]) },
];

/** For `upstreamTls`: exactly the peer's identity, by any of its names. */
export const heldAgainst = (bundle: SpiffeId, peer: readonly SpiffeId[], alpn: readonly string[]): Buffer =>
  commonPart({
    alpnProtocols: [...alpn],
    validationContextType: {
      $case: 'combinedValidationContext',
      value: {
        defaultValidationContext: {
          ...VALIDATION,
          matchTypedSubjectAltNames: peer.map((value) => ({
            sanType: SubjectAltNameMatcher_SanType.URI,
            matcher: textMatcher('exact', value, false),
            oid: '',
          })),
        },
        validationContextSdsSecretConfig: secret(bundle),
        validationContextCertificateProvider: undefined,
        validationContextCertificateProviderInstance: undefined,
      },
    },
  });

/** Where a gRPC client's own bootstrap says that its certificate, key and trust bundle lie (`certificate_providers`). */
export const CERTIFICATE_PROVIDER = 'signet';

/**
 * The same for a gRPC client without a sidecar, which takes keys from files of its own and not from SDS; versions and ALPN are
 * not said to it. https://github.com/grpc/proposal/blob/master/A29-xds-tls-security.md
 */
export const providedTls = (peer: readonly SpiffeId[]): TransportSocket =>
  tlsSocket(
    packAny(
      UpstreamTlsContext,
      UpstreamTlsContext.fromPartial({
        commonTlsContext: {
          tlsCertificateProviderInstance: { instanceName: CERTIFICATE_PROVIDER },
          validationContextType: {
            $case: 'validationContext',
            value: {
              caCertificateProviderInstance: { instanceName: CERTIFICATE_PROVIDER },
              matchSubjectAltNames: peer.map((value) => ({ matchPattern: { $case: 'exact' as const, value } })),
            },
          },
        },
      }),
    ),
  );

const SOCKET = 'envoy.transport_sockets.tls';
const SOCKET_NAME = bytesOf(TransportSocket, TransportSocket.fromPartial({ name: SOCKET }));

const tlsSocket = (typedConfig: ReturnType<typeof packAny>): TransportSocket => ({
  name: SOCKET,
  configType: { $case: 'typedConfig', value: typedConfig },
});

/**
 * Tells the application who calls, by a header that callers cannot forge: what they sent is removed before
 * (`SANITIZE`), and without a proven identity the header is absent. `x-envoy-*` from callers goes too.
 */
export const callerHeaders = (mtls: boolean): HeaderMutation =>
  HeaderMutation.fromPartial({
    mutations: {
      requestMutations: [
        // Also as `x_forwarded-client_cert`: CGI, WSGI and PHP give applications both spellings as one variable.
        { action: { $case: 'removeOnMatch', value: { keyMatcher: regexMatcher('(?i)x[-_]envoy[-_].*') } } },
        {
          action: {
            $case: 'removeOnMatch',
            value: { keyMatcher: regexMatcher('(?i)x[-_]forwarded[-_]client[-_]cert') },
          },
        },
        ...(mtls
          ? [
              {
                action: {
                  $case: 'append' as const,
                  value: {
                    header: { key: 'x-forwarded-client-cert', value: 'URI=%DOWNSTREAM_PEER_URI_SAN%' },
                    appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
                  },
                },
              },
            ]
          : []),
      ],
    },
  });
