import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type MessageType, packAny } from '../../envoy/pack.ts';
import { Secret } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import { SPIFFECertValidatorConfig } from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.ts';
import { reveal } from '../../lib/secret.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../../spiffe/svid.ts';

/**
 * The workload's certificate and key, under its SPIFFE ID. The one place where a key leaves, over the owner's stream. Written field by field,
 * as the generated code writes them: each sidecar has one of its own, and all that is between is two texts.
 */
export const svidSecret: MessageType<X509Svid> = {
  $type: Secret.$type,
  encode: ({ id, chainPem, keyPem }, to = new BinaryWriter()) => {
    to.tag(1, WireType.LengthDelimited).string(id);
    to.tag(2, WireType.LengthDelimited).fork(); // tls_certificate
    inline(1, chainPem, to); // certificate_chain
    inline(2, reveal(keyPem), to); // private_key
    return to.join();
  },
};

/** A DataSource of these `inline_bytes`. PEM is ASCII, of which the bytes are the text. */
const inline = (field: number, pem: string, to: BinaryWriter): void => {
  to.tag(field, WireType.LengthDelimited).fork();
  to.tag(2, WireType.LengthDelimited).string(pem);
  to.join();
};

/**
 * Trust bundles under one name. Envoy's SPIFFE validator keeps each domain's roots to that domain and refuses certificates
 * without a URI SAN or with CA:TRUE, which its default validator accepts.
 */
export const bundlesSecret = (name: SpiffeId, bundles: readonly TrustBundle[]): Secret =>
  Secret.fromPartial({
    name,
    type: {
      $case: 'validationContext',
      value: {
        customValidatorConfig: {
          name: 'envoy.tls.cert_validator.spiffe',
          typedConfig: packAny(
            SPIFFECertValidatorConfig,
            SPIFFECertValidatorConfig.fromPartial({
              trustDomains: bundles.map(({ trustDomain, authorities }) => ({
                name: trustDomain,
                trustBundle: { specifier: { $case: 'inlineBytes', value: Buffer.from(authorities.join('')) } },
              })),
            }),
          ),
        },
      },
    },
  });
