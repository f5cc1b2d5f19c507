#!/usr/bin/env bash
# Generation Service from a shell with curl, jq and openssl.
#
#   SHARED_KEY=… PHOTO_URL=https://example.com/car.jpg examples/curl.sh sync
#   SHARED_KEY=… PHOTO_URL=https://example.com/car.jpg examples/curl.sh job
#   SHARED_KEY=… examples/curl.sh status|results|download|deliveries|cancel JOB_ID
#   SHARED_KEY=… examples/curl.sh list [STATUS]
#   SHARED_KEY=… examples/curl.sh sign < lots.json
#
# BASE_URL is http://127.0.0.1:5000 unless set, LANGUAGES ["en","ru"]; WEBHOOK_URL is told when a
# job ends. The lots may hold strings, lists and objects: jq rewrites numbers, so a lot with a
# number of your own signs differently.
set -euo pipefail

base_url=${BASE_URL:-http://127.0.0.1:5000}
shared_key=${SHARED_KEY:?set SHARED_KEY to the key you share with the service}
languages=${LANGUAGES:-[\"en\",\"ru\"]}
api=$base_url/api/v1

# -c no spaces, -S sorted keys, -j no newline at the end, -a ASCII escapes: the canonical JSON that
# the service signs. jq leaves DEL as it is where the service expects an escape.
canonical() {
  local lots
  lots=$(jq -cSja .)
  printf '%s' "${lots//$'\x7f'/\\u007f}"
}

hmac() {
  openssl dgst -sha256 -hmac "$shared_key" -r | cut -d ' ' -f 1
}

# A lot of our own making: `lot ID WORDS`.
lot() {
  jq -n --arg id "$1" --arg info "$2" --arg url "${PHOTO_URL:?set PHOTO_URL to a photo}" \
    --arg webhook "${WEBHOOK_URL:-}" '{lot_id: $id, additional_info: $info, images: [{url: $url}]}
      + if $webhook == "" then {} else {webhook: $webhook} end'
}

order() {
  local lots signature
  lots=$(jq -s .)
  signature=$(canonical <<<"$lots" | hmac)
  jq -n --arg signature "$signature" --argjson languages "$languages" --argjson lots "$lots" \
    '{signature: $signature, version: "1.0.0", languages: $languages, lots: $lots}' |
    curl -sS --fail-with-body --max-time 300 -H 'Content-Type: application/json' \
      --data-binary @- "$api/generate-descriptions"
}

# `signed COVERED curl-arguments…`: COVERED is the job's id, or without one the path and query.
signed() {
  local signature
  signature=$(printf '%s' "$1" | hmac)
  curl -sS --fail-with-body --max-time 30 -H "X-Signature: sha256=$signature" "${@:2}"
}

list() {
  local path="/api/v1/batch-jobs?limit=20${1:+&status=$1}"
  signed "$path" "$base_url$path"
}

case "${1:-}" in
  sign) canonical | hmac ;;
  sync) lot curl-1 '2020 BMW X3, minor rear damage' | order ;;
  job) { lot curl-1 '2020 BMW X3, minor rear damage' && lot curl-2 'Mercedes inspection'; } | order ;;
  status) signed "$2" "$api/batch-status/$2" ;;
  results) signed "$2" "$api/batch-results/$2" ;;
  download) signed "$2" -o "batch_results_$2.json" "$api/batch-results/$2/download" ;;
  deliveries) signed "$2" "$api/batch-jobs/$2/deliveries" ;;
  list) list "${2:-}" ;;
  cancel) signed "$2" -X POST "$api/batch-jobs/$2/cancel" ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
