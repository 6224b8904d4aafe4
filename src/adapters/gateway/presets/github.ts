/** The most used operations of GitHub's REST API, by its own names for them. */
import type { ToolSource } from '../../../ports/tool.ts';
import { type PresetOptions, presetSource } from './preset.ts';

const REPO = '/repos/{owner}/{repo}';
const PAGE = 'per_page:int page:int';

const LINES = [
  'users/get-authenticated GET /user -- The user whose token is used',
  'users/get-by-username GET /users/{username} -- A user',
  `repos/list-for-authenticated-user GET /user/repos ?visibility affiliation sort ${PAGE} -- The repositories that the user can reach`,
  `repos/list-for-org GET /orgs/{org}/repos ?type sort ${PAGE} -- The repositories of an organization`,
  `repos/get GET ${REPO} -- A repository`,
  `repos/get-readme GET ${REPO}/readme ?ref -- The readme of a repository, its content in base64`,
  `repos/get-content GET ${REPO}/contents/{path} ?ref -- A file, its content in base64, or the list of a directory`,
  `repos/create-or-update-file-contents PUT ${REPO}/contents/{path} = message! content! sha branch -- Writes a file as a commit. content is base64; sha is that of the file that is replaced`,
  `repos/list-branches GET ${REPO}/branches ?${PAGE} -- The branches of a repository`,
  `repos/get-branch GET ${REPO}/branches/{branch} -- A branch`,
  `repos/list-commits GET ${REPO}/commits ?sha path author since until ${PAGE} -- Commits, newest first`,
  `repos/get-commit GET ${REPO}/commits/{ref} -- A commit and its changes`,
  `repos/compare-commits-with-basehead GET ${REPO}/compare/{basehead} -- What differs between two commits: basehead is BASE...HEAD`,
  `repos/list-releases GET ${REPO}/releases ?${PAGE} -- The releases of a repository`,
  `repos/get-latest-release GET ${REPO}/releases/latest -- The latest release`,
  `repos/create-release POST ${REPO}/releases = tag_name! target_commitish name body draft:bool prerelease:bool generate_release_notes:bool -- Makes a release`,
  `git/create-ref POST ${REPO}/git/refs = ref! sha! -- Makes a branch or a tag: ref is refs/heads/NAME or refs/tags/NAME`,
  `issues/list-for-repo GET ${REPO}/issues ?state labels assignee creator milestone since sort direction ${PAGE} -- Issues and pull requests of a repository`,
  `issues/get GET ${REPO}/issues/{issue_number} -- An issue`,
  `issues/create POST ${REPO}/issues = title! body assignees:list labels:list milestone:int -- Opens an issue`,
  `issues/update PATCH ${REPO}/issues/{issue_number} = title body state state_reason assignees:list labels:list milestone:int -- Changes an issue, or closes it`,
  `issues/list-comments GET ${REPO}/issues/{issue_number}/comments ?since ${PAGE} -- The comments of an issue or pull request`,
  `issues/create-comment POST ${REPO}/issues/{issue_number}/comments = body! -- Comments on an issue or pull request`,
  `issues/add-labels POST~ ${REPO}/issues/{issue_number}/labels = labels:list! -- Adds labels to an issue`,
  `issues/remove-label DELETE ${REPO}/issues/{issue_number}/labels/{name} -- Takes a label off an issue`,
  `issues/add-assignees POST~ ${REPO}/issues/{issue_number}/assignees = assignees:list! -- Assigns people to an issue`,
  `issues/list-labels-for-repo GET ${REPO}/labels ?${PAGE} -- The labels of a repository`,
  `issues/list-milestones GET ${REPO}/milestones ?state sort ${PAGE} -- The milestones of a repository`,
  `pulls/list GET ${REPO}/pulls ?state head base sort direction ${PAGE} -- Pull requests`,
  `pulls/get GET ${REPO}/pulls/{pull_number} -- A pull request`,
  `pulls/create POST ${REPO}/pulls = title! head! base! body draft:bool maintainer_can_modify:bool -- Opens a pull request`,
  `pulls/update PATCH ${REPO}/pulls/{pull_number} = title body state base -- Changes a pull request, or closes it`,
  `pulls/list-files GET ${REPO}/pulls/{pull_number}/files ?${PAGE} -- The files that a pull request changes`,
  `pulls/list-commits GET ${REPO}/pulls/{pull_number}/commits ?${PAGE} -- The commits of a pull request`,
  `pulls/list-reviews GET ${REPO}/pulls/{pull_number}/reviews ?${PAGE} -- The reviews of a pull request`,
  `pulls/create-review POST ${REPO}/pulls/{pull_number}/reviews = body event commit_id comments:objects -- Reviews a pull request: event is APPROVE, REQUEST_CHANGES or COMMENT`,
  `pulls/request-reviewers POST~ ${REPO}/pulls/{pull_number}/requested_reviewers = reviewers:list team_reviewers:list -- Asks people for a review`,
  `pulls/merge PUT ${REPO}/pulls/{pull_number}/merge = commit_title commit_message sha merge_method -- Merges a pull request: merge_method is merge, squash or rebase`,
  `checks/list-for-ref GET ${REPO}/commits/{ref}/check-runs ?check_name status ${PAGE} -- The checks of a commit`,
  `actions/list-workflow-runs-for-repo GET ${REPO}/actions/runs ?branch event status actor ${PAGE} -- Runs of workflows`,
  `actions/get-workflow-run GET ${REPO}/actions/runs/{run_id} -- A run of a workflow`,
  `actions/create-workflow-dispatch POST ${REPO}/actions/workflows/{workflow_id}/dispatches = ref! inputs:object -- Starts a workflow`,
  `actions/re-run-workflow POST ${REPO}/actions/runs/{run_id}/rerun -- Runs a workflow again`,
  `search/issues-and-pull-requests GET /search/issues ?q! sort order ${PAGE} -- Searches issues and pull requests, such as repo:acme/shop is:open label:bug`,
  `search/code GET /search/code ?q! ${PAGE} -- Searches code`,
  `search/repos GET /search/repositories ?q! sort order ${PAGE} -- Searches repositories`,
];

/**
 * Operations of GitHub, named as in its documentation: `issues/create` is the tool `issues_create`. Without `credentials`, the token of a user with the scope `repo`, of the provider
 * `github` (`presets.github` of `rondo/identity`). `server` is for GitHub Enterprise: `https://github.example.com/api/v3`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export const github = (o: PresetOptions = {}): ToolSource =>
  presetSource(
    {
      name: 'github',
      server: 'https://api.github.com',
      credentials: { type: 'oauth', provider: 'github', flow: 'user', scopes: ['repo'] },
      headers: { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28', 'user-agent': 'rondo' },
      lines: LINES,
      // its limits are told by 403 too
      manner: {
        limited: ({ status, headers }) => status === 403 && (headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after')),
      },
    },
    o,
  );
