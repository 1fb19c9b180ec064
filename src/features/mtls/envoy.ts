import { regexMatcher, textMatcher } from '../../envoy/match.ts';
import { fromAds, packAny } from '../../envoy/pack.ts';
import { HeaderValueOption_HeaderAppendAction, type TransportSocket } from '../../gen/envoy/config/core/v3/base.ts';
import { HeaderMutation } from '../../gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation.ts';
import {
  CertificateValidationContext,
  SubjectAltNameMatcher_SanType,
  TlsParameters_TlsProtocol,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/common.ts';
import type { SdsSecretConfig } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import {
  CommonTlsContext,
  DownstreamTlsContext,
  UpstreamTlsContext,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls.ts';
import { type SpiffeId, type TrustDomain, trustDomainId } from '../../spiffe/spiffeId.ts';

// Envoy's upstream default is at most 1.2, so both ends are said.
const TLS_1_3: CommonTlsContext = CommonTlsContext.fromPartial({
  tlsParams: {
    tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
    tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
  },
});

const secret = (name: string): SdsSecretConfig => ({ name, sdsConfig: fromAds() });

const DOWNSTREAM = DownstreamTlsContext.fromPartial({
  requireClientCertificate: true,
  disableStatefulSessionResumption: true,
  sessionTicketKeysType: { $case: 'disableStatelessSessionResumption', value: true },
});

/**
 * The server side of mTLS: any certificate of the mesh may connect, rules decide the rest.
 * No session is resumed, for a ticket outlives the certificate that it was given for.
 */
export const downstreamTls = (identity: SpiffeId, trustDomain: TrustDomain, alpn: readonly string[]): TransportSocket =>
  tlsSocket(
    packAny(DownstreamTlsContext, {
      ...DOWNSTREAM,
      commonTlsContext: {
        ...TLS_1_3,
        alpnProtocols: [...alpn],
        tlsCertificateSdsSecretConfigs: [secret(identity)],
        validationContextType: {
          $case: 'validationContextSdsSecretConfig',
          value: secret(trustDomainId(trustDomain)),
        },
      },
    }),
  );

const UPSTREAM = UpstreamTlsContext.fromPartial({ maxSessionKeys: 0 });
const VALIDATION = CertificateValidationContext.fromPartial({});

/** The client side: shows its own certificate and accepts exactly the peer's identity. */
export const upstreamTls = (
  identity: SpiffeId,
  trustDomain: TrustDomain,
  peer: SpiffeId,
  alpn: readonly string[],
): TransportSocket =>
  tlsSocket(
    packAny(UpstreamTlsContext, {
      ...UPSTREAM,
      commonTlsContext: {
        ...TLS_1_3,
        alpnProtocols: [...alpn],
        tlsCertificateSdsSecretConfigs: [secret(identity)],
        validationContextType: {
          $case: 'combinedValidationContext',
          value: {
            defaultValidationContext: {
              ...VALIDATION,
              matchTypedSubjectAltNames: [
                { sanType: SubjectAltNameMatcher_SanType.URI, matcher: textMatcher('exact', peer, false), oid: '' },
              ],
            },
            validationContextSdsSecretConfig: secret(trustDomainId(trustDomain)),
            validationContextCertificateProvider: undefined,
            validationContextCertificateProviderInstance: undefined,
          },
        },
      },
    }),
  );

/** Where a gRPC client's own bootstrap says that its certificate, key and trust bundle lie (`certificate_providers`). */
export const CERTIFICATE_PROVIDER = 'signet';

/**
 * The same for a gRPC client without a sidecar, which takes keys from files of its own and not from SDS; versions and ALPN are
 * not said to it. https://github.com/grpc/proposal/blob/master/A29-xds-tls-security.md
 */
export const providedTls = (peer: SpiffeId): TransportSocket =>
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
              matchSubjectAltNames: [{ matchPattern: { $case: 'exact', value: peer } }],
            },
          },
        },
      }),
    ),
  );

const tlsSocket = (typedConfig: ReturnType<typeof packAny>): TransportSocket => ({
  name: 'envoy.transport_sockets.tls',
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
