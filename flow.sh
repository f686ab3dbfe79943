# Shell functions of flow.mk.

tool() (  # run a package's command line
  cd "$ROOT"
  .venv/bin/python -m "$@"
)

code() (  # checksum of all sources below some places of the repository
  cd "$ROOT"
  # shellcheck disable=SC2048,SC2086  # the places are patterns
  find $* -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 cat | cksum
)

dated() (  # checksum of the sizes and dates of the files in a place, if one is named
  cd "$ROOT"
  [ -z "$1" ] || { find "$1" -type f -printf '%p %s %T@\n' 2>&1 || true; } | sort | cksum
)

show() {  # variables by name
  for name; do printf '%s=%s\n' "$name" "${!name}"; done
}

keep() {  # write the input to a file unless it holds just that
  mkdir -p "${1%/*}"
  text=$(cat)
  [ "$text" = "$(cat "$1" 2> /dev/null)" ] || printf '%s\n' "$text" > "$1"
}

check_budget() {  # either BUDGET and UNIT, which names an option of `prune run`, or the others
  if [ -n "$BUDGET" ] && [ -n "$CYCLES$ENERGY" ]; then
    echo "error: BUDGET=$BUDGET: not beside CYCLES or ENERGY; leave out one or the other" >&2
    exit 2
  fi
  case ${UNIT:-cycles} in
    cycles | energy | flops) ;;
    *)
      echo "error: UNIT=$UNIT: expected cycles, energy or flops; choose one" >&2
      exit 2
      ;;
  esac
}

check_import() {  # an imported network is neither pruned nor given weights
  for name in MODEL BUDGET UNIT CYCLES ENERGY METHOD BLOCK CKPT SELECTORS DATA; do
    if [ -n "${!name}" ]; then
      echo "error: $name=${!name}: not beside ONNX=$ONNX, which is not pruned; leave out one" >&2
      exit 2
    fi
  done
}

compile() {
  tool hw compile "$OUT" --config "$OUT/config.json"
}

simulate() {
  tool sim run "$OUT" ${IMAGE:+--image "$IMAGE"} ${IMAGES:+--images "$IMAGES"} \
    ${WAVES:+--waves "$OUT/waves.fst"}
}
