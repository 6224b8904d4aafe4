export { keyEnv, keyFile } from '../keys/key-file.ts';
export type { KeyService, KeySet, MasterKey, MasterKeys } from '../keys/master.ts';
export { type ConsentCallbackOptions, consentCallback, type SignedIn } from './callback.ts';
export { identities } from './identities.ts';
export { type LocalIdentity, type LocalIdentityOptions, localIdentity } from './local.ts';
export { type Provider, presets } from './provider.ts';
export type { Revoked } from './tokens.ts';
export { type Change, type Kept, type Place, sqliteVault, type Vault, type VaultOptions } from './vault.ts';
