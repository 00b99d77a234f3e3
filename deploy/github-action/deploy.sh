#!/usr/bin/env bash
# One deployment, as a step of a pipeline: it ends with the exit code of `pointsman deploy`.
#
# In:  SERVICE, RELEASE, POINTSMAN_ADMIN, POINTSMAN_TOKEN; where they apply IMAGE, TARGETS (with blanks between them),
#      CONFIRM_WITHIN, TIMEOUT, BY, WHY; POINTSMAN: the command, with its first arguments.
# Out: the result as JSON on standard output; on GitHub also the outputs `generation` and `deployment`, and a summary.
set -euo pipefail
: "${SERVICE:?the name of a service}" "${RELEASE:?a name for the release}"

read -ra pointsman <<<"${POINTSMAN:-npx --yes pointsman}"
read -ra targets <<<"${TARGETS:-}"
args=(deploy "$SERVICE" "$RELEASE" --json)
[ -z "${IMAGE:-}" ] || args+=(--image "$IMAGE")
for target in "${targets[@]}"; do args+=(--target "$target"); done
[ -z "${CONFIRM_WITHIN:-}" ] || args+=(--confirm-within "$CONFIRM_WITHIN")
[ -z "${TIMEOUT:-}" ] || args+=(--timeout "$TIMEOUT")
[ -z "${BY:-}" ] || args+=(--by "$BY")
[ -z "${WHY:-}" ] || args+=(--why "$WHY")

exit=0
result=$("${pointsman[@]}" "${args[@]}") || exit=$?
echo "$result"

of() { # of EXPRESSION: a value of the result; nothing where there is none
  node -e "let it = {}; try { it = JSON.parse(process.argv[1]); } catch {} process.stdout.write(String(($1) ?? ''));" "$result"
}
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  {
    echo "generation=$(of 'it.receipt?.generation ?? (it.already && it.generation)')"
    echo "deployment=$(of 'it.id ?? it.deployment?.id')"
  } >>"$GITHUB_OUTPUT"
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  if [ $exit = 0 ]; then
    echo "**$SERVICE**: $RELEASE is live. $(of 'it.receipt && `The flip held requests for ${it.receipt.holdMs.toFixed(1)} ms.`')"
  else
    echo "**$SERVICE**: $RELEASE is not live (exit code $exit). $(of 'it.detail')"
  fi >>"$GITHUB_STEP_SUMMARY"
fi
exit $exit
