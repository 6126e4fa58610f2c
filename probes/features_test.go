package probes

import (
	"math"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether"
)

func featureJob(prompt string) Job {
	j := Job{Canary: Canary{Name: "story", Prompt: prompt}}
	j.Target.ID = "gpt-us"
	return j
}

const story = "The keeper of the lighthouse lost his goat in the fog and called for it all night, until it came home in the morning, wet and proud."

func TestTextFeaturesFollowTheAnswersOwnPast(t *testing.T) {
	var p pasts
	j := featureJob("tell")
	first := p.features(j, story, true)
	if _, early := first[textSimilarity]; early || first[textRepetition] != 0 || !(first[textDistinct] > 0.7) {
		t.Errorf("first answer = %v, want no similarity yet, no repetition, many distinct words", first)
	}
	same := p.features(j, strings.ToUpper(story), true)
	if same[textSimilarity] != 1 || math.Abs(same[textLength]-1) > 1e-9 {
		t.Errorf("the same again = %v, want similarity and length ratio 1", same)
	}
	other := p.features(j, strings.Repeat("Potatoes and turnips. ", 30), false)
	if other[textSimilarity] != 0 || !(other[textRepetition] > 0.9) || !(other[textLength] > 3) || !(other[textDistinct] < 0.1) {
		t.Errorf("another, repeating = %v", other)
	}
	if again := p.features(j, strings.Repeat("Potatoes and turnips. ", 30), false); again[textSimilarity] != 0 {
		t.Errorf("an answer that was not good was remembered: %v", again)
	}
}

func TestPastIsForgottenWhenThePromptChanges(t *testing.T) {
	var p pasts
	p.features(featureJob("tell"), story, true)
	if f := p.features(featureJob("tell me"), story, true); len(f) != 2 {
		t.Errorf("features after a new prompt = %v, want none of the past", f)
	}
}

func TestChallengesAndEmptyAnswersHaveNoPast(t *testing.T) {
	var p pasts
	j := featureJob("")
	j.Canary.Challenge = "json"
	p.features(j, story, true)
	if f := p.features(j, story, true); len(f) != 2 || len(p.of) != 0 {
		t.Errorf("features of a challenge = %v, kept %d", f, len(p.of))
	}
	if f := p.features(featureJob("tell"), " \n!? ", true); f != nil {
		t.Errorf("features of no words = %v", f)
	}
}

func TestEstimatedSimilarityIsNearTheTrueOne(t *testing.T) {
	words := strings.Fields(strings.Repeat(story+" ", 1))
	long := make([]string, 0, 600)
	for i := range 600 {
		long = append(long, words[i%len(words)]+strings.Repeat("x", i/len(words)))
	}
	a := sample(wordHashes(strings.Join(long[:400], " ")), 1)
	b := sample(wordHashes(strings.Join(long[200:], " ")), 1)
	if got := jaccard(&a, &b); math.Abs(got-1.0/3) > 0.25 { // three standard deviations
		t.Errorf("similarity of texts that share a third = %.2f", got)
	}
}

func FuzzFeatures(f *testing.F) {
	f.Add(story, "the the the the")
	f.Add("\xff\x00", "漢字かな交じり文 with words")
	f.Fuzz(func(t *testing.T, a, b string) {
		var p pasts
		for _, s := range []string{a, b, a} {
			for name, v := range p.features(featureJob("tell"), s, true) {
				if !bellwether.ValidID(string(name)) || !(v >= 0) || name != textLength && v > 1 || v > maxLengthRatio {
					t.Errorf("%s of %q after %q = %v", name, s, a, v)
				}
			}
		}
	})
}

func BenchmarkFeatures(b *testing.B) {
	var p pasts
	j := featureJob("tell")
	text := strings.Repeat(story+" ", 4)
	b.ReportAllocs()
	for b.Loop() {
		p.features(j, text, true)
	}
}
