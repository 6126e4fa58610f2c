package sim

import "strings"

// regionNames says which recorded region a region's name stands for, by the
// beginning of the name. Names that match none have the factor 1.
var regionNames = [...]struct{ prefix, recorded string }{
	{"iad", "iad"}, {"us-east", "iad"}, {"useast", "iad"}, {"eastus", "iad"}, {"us-central", "iad"}, {"centralus", "iad"},
	{"sea", "sea"}, {"us-west", "sea"}, {"uswest", "sea"}, {"westus", "sea"},
	{"cdg", "cdg"}, {"eu", "cdg"}, {"westeurope", "cdg"}, {"northeurope", "cdg"}, {"francecentral", "cdg"},
	{"swedencentral", "cdg"}, {"germany", "cdg"}, {"uksouth", "cdg"},
}

// RegionFactor returns what the first token's time is multiplied by in a
// region: fitted for names that tell where they are ("us-east", "eastus2",
// "eu-central-1"), 1 for others.
func RegionFactor(region string) float64 {
	for _, n := range regionNames {
		if strings.HasPrefix(region, n.prefix) {
			return regionFactors[n.recorded]
		}
	}
	return 1
}

// factorIn prefers the caller's own table of factors.
func factorIn(own map[string]float64, region string) float64 {
	if f, ok := own[region]; ok {
		return f
	}
	return RegionFactor(region)
}
