package probes_test

import (
	"fmt"

	"github.com/bellwether-llm/bellwether/probes"
)

func ExampleLibrary() {
	fmt.Println(probes.Library())
	c := probes.Canary{Name: "sums", Use: "arithmetic", MaxTokens: 24}.WithDefaults()
	fmt.Println(c.Challenge, c.Task, c.MaxTokens)
	// Output:
	// [factual extraction sentiment arithmetic ordering json vision reasoning code tool-use long-context multilingual-fr multilingual-zh drift]
	// arithmetic arithmetic 24
}

func ExampleCanary_Asks() {
	fmt.Println(probes.Canary{Challenge: "ordering"}.Asks()[:60] + " ...")
	// Output: new each time ("ordering"), such as: Put these words in alph ...
}

func ExampleCheck_Untried() {
	checks, _ := probes.Compile([]probes.CheckSpec{{"confidence": -0.5}})
	fmt.Println(checks[0].Untried(probes.Answer{Text: "Paris"}))
	// Output: the provider gave no log-probabilities
}
