# The network of model.json with its weights rounded, layer by layer. In your evaluator this is your framework's command.
#
#     jq -f network.jq --slurpfile questions QUESTION.json model.json

def capability: {
  ops: [.layers[] | {name, type: "Linear"}],
  op_types: {Linear: {weight_only: {weight: {bits: [8, 4], granularity: ["per_channel"]}}}},
  metrics: ["accuracy", "model_size_bytes"]
};

def bits_of($name): .[$name] as $choice
  | if $choice.mode == "fp32" then 32
    elif $choice.mode == "weight_only" and ($choice.weight.bits | . == 8 or . == 4) then $choice.weight.bits
    else error("\($name) cannot be \($choice)") end;

def rounded($bits): if $bits == 32 then . else
  ((map(fabs) | max) / (pow(2; $bits - 1) - 1)) as $step | map((. / $step + 0.5 | floor) * $step) end;

# The layers as a config wants them, each with its bytes. The winner is deployed by this, too.
def apply($ops): if ($ops | length) != length then error("the config has \($ops | length) layers, the network \(length)") else
  map(.name as $name | ($ops | bits_of($name)) as $bits
    | .weight |= map(rounded($bits))
    | .bytes = (.bias | length) * ((.weight[0] | length) * $bits / 8 + (if $bits == 32 then 4 else 8 end))) end;

def run($layer): . as $inputs | [range(length) | select($inputs[.] > 0)] as $above
  | [range($layer.bias | length) as $r | $layer.weight[$r] as $row
     | reduce $above[] as $c ($layer.bias[$r]; . + $row[$c] * $inputs[$c])];

def largest: . as $values | max | . as $max | $values | index($max);

def measure($layers): . as {$images, $labels}
  | [range($images | length) | . as $i | reduce $layers[] as $layer ($images[$i]; run($layer)) | largest == $labels[$i] | select(.)]
  | {accuracy: (length / ($labels | length)), metrics: {model_size_bytes: ($layers | map(.bytes) | add)}};

$questions[0] as $question | if $question.question == "capability" then capability else measure(.layers | apply($question.config.ops)) end
