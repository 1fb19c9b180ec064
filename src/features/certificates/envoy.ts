import { packAny } from '../../envoy/pack.ts';
import type { DataSource } from '../../gen/envoy/config/core/v3/base.ts';
import { TlsCertificate } from '../../gen/envoy/extensions/transport_sockets/tls/v3/common.ts';
import { Secret } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import { SPIFFECertValidatorConfig } from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.ts';
import { reveal } from '../../lib/secret.ts';
import { trustDomainId } from '../../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../../spiffe/svid.ts';

/** The workload's certificate and key, under its SPIFFE ID. The one place where a key leaves, over the owner's stream. */
export const svidSecret = (svid: X509Svid): Secret => ({
  name: svid.id,
  type: {
    $case: 'tlsCertificate',
    value: { ...CERTIFICATE, certificateChain: inline(svid.chainPem), privateKey: inline(reveal(svid.keyPem)) },
  },
});

const CERTIFICATE = TlsCertificate.fromPartial({});

const inline = (pem: string): DataSource => ({
  specifier: { $case: 'inlineBytes', value: Buffer.from(pem) },
  watchedDirectory: undefined,
});

/**
 * The trust bundle under the trust domain's ID. Envoy's SPIFFE validator keeps each domain's roots to that domain and
 * refuses certificates without a URI SAN or with CA:TRUE, which its default validator accepts.
 */
export const bundleSecret = (bundle: TrustBundle): Secret =>
  Secret.fromPartial({
    name: trustDomainId(bundle.trustDomain),
    type: {
      $case: 'validationContext',
      value: {
        customValidatorConfig: {
          name: 'envoy.tls.cert_validator.spiffe',
          typedConfig: packAny(
            SPIFFECertValidatorConfig,
            SPIFFECertValidatorConfig.fromPartial({
              trustDomains: [
                {
                  name: bundle.trustDomain,
                  trustBundle: { specifier: { $case: 'inlineBytes', value: Buffer.from(bundle.authorities.join('')) } },
                },
              ],
            }),
          ),
        },
      },
    },
  });
