"""A program as users of SigOpt have it: run by test_sigopt_client.py with the published client.

Prints what it saw as JSON: the assignments it measured with their values, and the best.
"""

import json
import sys

import sigopt

BUDGET = 15
FAILS = 3  # this observation is reported as a failure


def measure(assignments):
    return {
        "acc": 1 - assignments["b"],
        "lat": assignments["a"] + (assignments["m"] == "d") + 10 * (assignments["b"] < 0.2),
    }


def values_of(measured):
    return [{"name": name, "value": value} for name, value in measured.items()]


def main(url):
    connection = sigopt.Connection(client_token="unused")
    connection.set_api_url(url)
    experiment = connection.experiments().create(
        name="published client",
        project="quant-tuning",
        parameters=[
            {"name": "a", "type": "int", "bounds": {"min": 2, "max": 5}},
            {"name": "b", "type": "double", "bounds": {"min": 0.0, "max": 1.0}},
            {"name": "m", "type": "categorical", "categorical_values": ["s", "d"]},
        ],
        metrics=[
            {"name": "acc", "objective": "maximize", "strategy": "constraint", "threshold": 0.5},
            {"name": "lat", "objective": "minimize", "strategy": "optimize"},
        ],
        observation_budget=BUDGET,
        parallel_bandwidth=1,
    )
    measured = []
    while experiment.progress.observation_count < experiment.observation_budget:
        suggestion = connection.experiments(experiment.id).suggestions().create()
        observations = connection.experiments(experiment.id).observations()
        if experiment.progress.observation_count == FAILS:
            observations.create(suggestion=suggestion.id, failed=True)
        else:
            values = measure(suggestion.assignments)
            measured.append([dict(suggestion.assignments), values])
            observations.create(suggestion=suggestion.id, values=values_of(values))
        experiment = connection.experiments(experiment.id).fetch()
    best = next(connection.experiments(experiment.id).best_assignments().fetch().iterate_pages())
    refused = None
    try:
        connection.experiments(experiment.id).suggestions().create()
    except sigopt.exception.ApiException as error:
        refused = [error.status_code, str(error)]
    print(json.dumps({
        "id": experiment.id,
        "measured": measured,
        "best": [dict(best.assignments), {value.name: value.value for value in best.values}],
        "refused": refused,
    }))


main(sys.argv[1])
