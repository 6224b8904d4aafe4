/** Limits of Policy. Sources: the service models of botocore of 7 August 2026 and AWS's API reference. */
import type { Plane } from '../model.ts';
import { CLIENT_TOKEN, DESCRIPTION, KMS_KEY, type Limits, oneOf, PAGE, range, TAGS, text } from './limit.ts';

const ID = text(12, 59, '[A-Za-z][A-Za-z0-9_]*-[a-z0-9_]{10}');
const NAME = text(1, 48, '[A-Za-z][A-Za-z0-9_]*');
const ENGINE = { policyEngineId: ID };
const GENERATION = { ...ENGINE, policyGenerationId: ID };
const POLICY = { ...ENGINE, policyId: ID };
const STATEMENT = { statement: range(35, 10_000) };
const MODES = { validationMode: oneOf('PolicyValidationMode'), enforcementMode: oneOf('EnforcementMode') };
const SCOPED = { ...ENGINE, ...PAGE, targetResourceScope: range(20, 1011) };

export const POLICIES: Readonly<Record<Plane, Limits>> = {
  data: {},
  control: {
    CreatePolicyEngineRequest: { name: NAME, description: DESCRIPTION, clientToken: CLIENT_TOKEN, encryptionKeyArn: KMS_KEY, tags: TAGS },
    GetPolicyEngineRequest: ENGINE,
    GetPolicyEngineSummaryRequest: ENGINE,
    UpdatePolicyEngineRequest: ENGINE,
    DeletePolicyEngineRequest: ENGINE,
    ListPolicyEnginesRequest: PAGE,
    ListPolicyEngineSummariesRequest: PAGE,
    CreatePolicyRequest: { ...ENGINE, name: NAME, description: DESCRIPTION, clientToken: CLIENT_TOKEN, ...MODES },
    GetPolicyRequest: POLICY,
    GetPolicySummaryRequest: POLICY,
    UpdatePolicyRequest: { ...POLICY, ...MODES },
    DeletePolicyRequest: POLICY,
    ListPoliciesRequest: SCOPED,
    ListPolicySummariesRequest: SCOPED,
    UpdatedDescription: { optionalValue: DESCRIPTION },
    CedarPolicy: STATEMENT,
    PolicyStatement: STATEMENT,
    PolicyGenerationDetails: { policyGenerationId: ID, policyGenerationAssetId: ID },
    StartPolicyGenerationRequest: { ...ENGINE, name: NAME, clientToken: CLIENT_TOKEN },
    Content: { rawText: range(1, 2_000) },
    Resource: { arn: range(20, 1011) },
    GetPolicyGenerationRequest: GENERATION,
    GetPolicyGenerationSummaryRequest: GENERATION,
    ListPolicyGenerationsRequest: { ...ENGINE, ...PAGE },
    ListPolicyGenerationSummariesRequest: { ...ENGINE, ...PAGE },
    ListPolicyGenerationAssetsRequest: { ...GENERATION, ...PAGE },
  },
};
