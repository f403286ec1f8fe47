// An evaluator in Go: what is asked over HTTP, and what is answered. What is measured is in network.go.
//
//	go run evaluator.go network.go MODEL.json 127.0.0.1:9002
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"sync"
)

var model network
var measuring sync.Mutex

func answer(question *http.Request) (int, object) {
	var asked struct {
		Config struct{ Ops map[string]choice }
	}
	if err := json.NewDecoder(question.Body).Decode(&asked); err != nil {
		return 400, object{"error": err.Error()}
	}
	if question.URL.Path == "/capability" {
		return 200, model.capability()
	}
	if !measuring.TryLock() { // two would disturb each other, and who waited would be charged for it
		return 503, object{"error": "busy with another question"}
	}
	defer measuring.Unlock()
	layers, bytes, err := model.apply(asked.Config.Ops)
	if err != nil { // another attempt would fail as well
		return 200, object{"failed": true, "error": err.Error(), "retryable": false}
	}
	return 200, object{"accuracy": model.accuracy(layers), "metrics": object{"model_size_bytes": bytes}}
}

func serve(response http.ResponseWriter, question *http.Request) {
	status, body := answer(question)
	response.Header().Set("Content-Type", "application/json")
	if status == 503 {
		response.Header().Set("Retry-After", "1")
	}
	response.WriteHeader(status)
	json.NewEncoder(response).Encode(body)
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &model)
	}
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/capability", serve) // elsewhere it answers 404 by itself
	http.HandleFunc("/baseline", serve)
	http.HandleFunc("/evaluate", serve)
	log.Fatal(http.ListenAndServe(os.Args[2], nil))
}
