// A driver of the conformance suite: one JSON object a line in, one a line out.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	driver := newDriver()
	asked, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	answers.SetEscapeHTML(false)
	for {
		var fields fields
		err := asked.Decode(&fields)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = answers.Encode(driver.outcome(&fields))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "conformance:", err)
			os.Exit(1)
		}
	}
}
