// Whether sigstore's verifier accepts a DSSE envelope by a plain public key, without a log: verify_dsse.js ENVELOPE KEY.pem
const fs = require('fs');
const crypto = require('crypto');
const { bundleFromJSON } = require('@sigstore/bundle');
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');

const envelope = JSON.parse(fs.readFileSync(process.argv[2]));
const key = crypto.createPublicKey(fs.readFileSync(process.argv[3]));
const bundle = bundleFromJSON({
  mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  verificationMaterial: { publicKey: { hint: envelope.signatures[0].keyid }, tlogEntries: [] },
  dsseEnvelope: envelope,
});
const none = { mediaType: '', tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };
const trust = toTrustMaterial(none, () => ({ publicKey: key, validFor: () => true }));
const thresholds = { tlogThreshold: 0, tsaThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 };
try {
  new Verifier(trust, thresholds).verify(toSignedEntity(bundle));
} catch (error) {
  console.log(error.code, error.message);
  process.exit(1);
}
console.log('verified', envelope.signatures[0].keyid);
