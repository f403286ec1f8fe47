package main

// The network of model.json with its weights rounded, layer by layer. In your evaluator this is your framework.

import (
	"fmt"
	"math"
)

type layer struct {
	Name   string
	Weight [][]float64
	Bias   []float64
}

type network struct {
	Layers []layer
	Images [][]float64
	Labels []int
}

type object map[string]any

// What a config says of an operator.
type choice struct {
	Mode   string
	Weight struct{ Bits int }
}

func (n network) capability() object {
	ops := []object{}
	for _, layer := range n.Layers {
		ops = append(ops, object{"name": layer.Name, "type": "Linear"})
	}
	weight := object{"bits": []int{8, 4}, "granularity": []string{"per_channel"}}
	return object{"ops": ops, "op_types": object{"Linear": object{"weight_only": object{"weight": weight}}},
		"metrics": []string{"accuracy", "model_size_bytes"}}
}

func rounded(row []float64, bits int) []float64 {
	largest, result := 0.0, make([]float64, len(row))
	for _, weight := range row {
		largest = math.Max(largest, math.Abs(weight))
	}
	step := largest / float64(int(1)<<(bits-1)-1)
	for i, weight := range row {
		result[i] = math.Floor(weight/step+0.5) * step
	}
	return result
}

// The layer as a config wants it, and its bytes. The winner is deployed by this, too.
func (l layer) apply(how choice) (layer, int, error) {
	rows, columns, bits := len(l.Bias), len(l.Weight[0]), how.Weight.Bits
	if how.Mode == "fp32" {
		return l, 4 * rows * (columns + 1), nil
	}
	if how.Mode != "weight_only" || bits != 8 && bits != 4 {
		return l, 0, fmt.Errorf("%s cannot be %+v", l.Name, how)
	}
	result := layer{l.Name, make([][]float64, rows), l.Bias}
	for r, row := range l.Weight {
		result.Weight[r] = rounded(row, bits)
	}
	return result, rows * (columns*bits/8 + 4 + 4), nil // with a bias and a step for each row
}

func (l layer) run(inputs []float64) []float64 {
	outputs := append([]float64(nil), l.Bias...)
	for r, row := range l.Weight {
		for c, weight := range row {
			outputs[r] += weight * math.Max(inputs[c], 0)
		}
	}
	return outputs
}

// The layers as a config wants them, and their bytes.
func (n network) apply(ops map[string]choice) (layers []layer, bytes int, err error) {
	for _, original := range n.Layers {
		applied, size, err := original.apply(ops[original.Name])
		if err != nil {
			return nil, 0, err
		}
		layers, bytes = append(layers, applied), bytes+size
	}
	if len(ops) != len(layers) {
		return nil, 0, fmt.Errorf("the config has %d layers, the network %d", len(ops), len(layers))
	}
	return layers, bytes, nil
}

// How many of the images the layers are right on, as a share.
func (n network) accuracy(layers []layer) float64 {
	right := 0
	for i, values := range n.Images {
		for _, layer := range layers {
			values = layer.run(values)
		}
		best := 0
		for r := range values {
			if values[r] > values[best] {
				best = r
			}
		}
		if best == n.Labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(n.Images))
}
