// Holds certificates against the profile in docs/certificates.md with Go's crypto/x509, which shares no code with Signet
// or OpenSSL. Run by `npm run drill:leaves`: main.go DIR COUNT NOW-IN-SECONDS CA-CURVE LEAF-CURVE
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(path string) *x509.Certificate {
	text, err := os.ReadFile(path)
	must(err)
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		must(fmt.Errorf("%s: not exactly one certificate", path))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	must(err)
	return certificate
}

var critical = map[string]bool{"2.5.29.14": false, "2.5.29.15": true, "2.5.29.17": true, "2.5.29.19": true, "2.5.29.35": false, "2.5.29.37": false}

// Tags of notBefore and notAfter, which crypto/x509 does not tell.
func timeTags(leaf *x509.Certificate) [2]int {
	var sequence asn1.RawValue
	var validity struct{ NotBefore, NotAfter asn1.RawValue }
	_, err := asn1.Unmarshal(leaf.RawTBSCertificate, &sequence)
	must(err)
	rest := sequence.Bytes
	for range 4 {
		var skipped asn1.RawValue
		rest, err = asn1.Unmarshal(rest, &skipped)
		must(err)
	}
	_, err = asn1.Unmarshal(rest, &validity)
	must(err)
	return [2]int{validity.NotBefore.Tag, validity.NotAfter.Tag}
}

func wantedTag(at time.Time) int {
	if at.UTC().Year() < 2050 {
		return asn1.TagUTCTime
	}
	return asn1.TagGeneralizedTime
}

func fault(leaf, above *x509.Certificate, id string, now time.Time, caCurve, leafCurve string) string {
	key, isEC := leaf.PublicKey.(*ecdsa.PublicKey)
	algorithm := map[string]x509.SignatureAlgorithm{"P-256": x509.ECDSAWithSHA256, "P-384": x509.ECDSAWithSHA384}[caCurve]
	serial := leaf.SerialNumber
	tags := timeTags(leaf)
	switch {
	case leaf.Version != 3:
		return "version"
	case len(leaf.URIs) != 1 || leaf.URIs[0].String() != id:
		return "URI"
	case len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.EmailAddresses) != 0:
		return "other names"
	case len(leaf.Subject.Names) != 0 || len(leaf.RawSubject) != 2:
		return "subject"
	case !bytes.Equal(leaf.RawIssuer, above.RawSubject):
		return "issuer"
	case serial.Sign() <= 0 || serial.BitLen() < 64 || serial.BitLen() > 159:
		return "serial"
	case !leaf.NotBefore.Equal(now.Add(-60 * time.Second)):
		return "notBefore"
	case leaf.NotBefore.Before(above.NotBefore) || leaf.NotAfter.After(above.NotAfter) || !leaf.NotAfter.After(now):
		return "life"
	case tags[0] != wantedTag(leaf.NotBefore) || tags[1] != wantedTag(leaf.NotAfter):
		return "form of a time"
	case leaf.KeyUsage != x509.KeyUsageDigitalSignature:
		return "keyUsage"
	case len(leaf.ExtKeyUsage) != 2 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || leaf.ExtKeyUsage[1] != x509.ExtKeyUsageClientAuth || len(leaf.UnknownExtKeyUsage) != 0:
		return "extKeyUsage"
	case !leaf.BasicConstraintsValid || leaf.IsCA:
		return "basicConstraints"
	case !isEC || key.Curve.Params().Name != leafCurve:
		return "key"
	case leaf.SignatureAlgorithm != algorithm:
		return "signature algorithm"
	case !bytes.Equal(leaf.AuthorityKeyId, above.SubjectKeyId):
		return "authority key identifier"
	case len(leaf.Extensions) != len(critical):
		return "extensions"
	}
	ecdh, err := key.ECDH()
	must(err)
	digest := sha256.Sum256(ecdh.Bytes())
	if !bytes.Equal(leaf.SubjectKeyId, digest[:20]) {
		return "subject key identifier"
	}
	for _, extension := range leaf.Extensions {
		wanted, known := critical[extension.Id.String()]
		if !known || wanted != extension.Critical {
			return "extension " + extension.Id.String()
		}
	}
	return ""
}

func main() {
	dir := os.Args[1]
	count, err := strconv.Atoi(os.Args[2])
	must(err)
	seconds, err := strconv.ParseInt(os.Args[3], 10, 64)
	must(err)
	now := time.Unix(seconds, 0)
	above := load(filepath.Join(dir, "above.pem"))
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(load(filepath.Join(dir, "root.pem")))
	intermediates.AddCert(above)
	text, err := os.ReadFile(filepath.Join(dir, "ids.txt"))
	must(err)
	ids := strings.Fields(string(text))
	serials, keys := map[string]bool{}, map[string]bool{}
	for i := range count {
		leaf := load(filepath.Join(dir, fmt.Sprintf("%d.pem", i)))
		if what := fault(leaf, above, ids[i], now, os.Args[4], os.Args[5]); what != "" {
			must(fmt.Errorf("%s: %s", ids[i], what))
		}
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
			must(err)
		}
		serials[leaf.SerialNumber.String()] = true
		keys[string(leaf.RawSubjectPublicKeyInfo)] = true
	}
	if len(serials) != count || len(keys) != count {
		must(fmt.Errorf("%d serials and %d keys in %d leaves", len(serials), len(keys), count))
	}
	fmt.Printf("Go takes %d of %d, for both purposes, with a serial and a key of their own\n", count, count)
}
