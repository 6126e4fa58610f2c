package sim

// capitals by country, lower case.
var capitals = map[string]string{
	"argentina": "Buenos Aires", "australia": "Canberra", "austria": "Vienna", "belgium": "Brussels", "brazil": "Brasília",
	"canada": "Ottawa", "chile": "Santiago", "china": "Beijing", "denmark": "Copenhagen", "egypt": "Cairo", "finland": "Helsinki",
	"france": "Paris", "germany": "Berlin", "greece": "Athens", "hungary": "Budapest", "india": "New Delhi", "indonesia": "Jakarta",
	"ireland": "Dublin", "italy": "Rome", "japan": "Tokyo", "kenya": "Nairobi", "mexico": "Mexico City", "morocco": "Rabat",
	"netherlands": "Amsterdam", "the netherlands": "Amsterdam", "new zealand": "Wellington", "norway": "Oslo", "peru": "Lima",
	"poland": "Warsaw", "portugal": "Lisbon", "south korea": "Seoul", "spain": "Madrid", "sweden": "Stockholm",
	"switzerland": "Bern", "thailand": "Bangkok", "turkey": "Ankara", "ukraine": "Kyiv", "united kingdom": "London",
	"the united kingdom": "London", "united states": "Washington, D.C.", "the united states": "Washington, D.C.", "vietnam": "Hanoi",
}

// fact is a question known by the words that occur in it, with its shortest
// answer and a sentence that holds it.
type fact struct {
	words []string // all of them, lower case
	short string
	long  string
}

var facts = []fact{
	{[]string{"primary color"}, "Red, yellow, blue", "The three primary colors are red, yellow, and blue."},
	{[]string{"primary colour"}, "Red, yellow, blue", "The three primary colours are red, yellow, and blue."},
	{[]string{"color", "sky"}, "Blue", "The sky is blue."},
	{[]string{"colour", "sky"}, "Blue", "The sky is blue."},
	{[]string{"color", "grass"}, "Green", "Grass is green."},
	{[]string{"color", "banana"}, "Yellow", "A ripe banana is yellow."},
	{[]string{"days", "in a week"}, "7", "There are 7 days in a week."},
	{[]string{"months", "in a year"}, "12", "There are 12 months in a year."},
	{[]string{"minutes", "in an hour"}, "60", "There are 60 minutes in an hour."},
	{[]string{"hours", "in a day"}, "24", "There are 24 hours in a day."},
	{[]string{"sides", "triangle"}, "3", "A triangle has 3 sides."},
	{[]string{"legs", "spider"}, "8", "A spider has 8 legs."},
	{[]string{"chemical symbol", "gold"}, "Au", "The chemical symbol for gold is Au."},
	{[]string{"chemical", "water"}, "H2O", "The chemical formula of water is H2O."},
	{[]string{"largest planet"}, "Jupiter", "The largest planet of the solar system is Jupiter."},
	{[]string{"closest planet", "sun"}, "Mercury", "The planet closest to the Sun is Mercury."},
	{[]string{"red planet"}, "Mars", "Mars is known as the red planet."},
	{[]string{"largest ocean"}, "Pacific", "The largest ocean is the Pacific Ocean."},
	{[]string{"wrote", "hamlet"}, "Shakespeare", "Hamlet was written by William Shakespeare."},
	{[]string{"wrote", "romeo and juliet"}, "Shakespeare", "Romeo and Juliet was written by William Shakespeare."},
	{[]string{"painted", "mona lisa"}, "Leonardo da Vinci", "The Mona Lisa was painted by Leonardo da Vinci."},
	{[]string{"opposite of", "hot"}, "Cold", "The opposite of hot is cold."},
	{[]string{"opposite of", "up"}, "Down", "The opposite of up is down."},
	{[]string{"boil", "celsius"}, "100", "At sea level water boils at 100 degrees Celsius."},
	{[]string{"freez", "celsius"}, "0", "Water freezes at 0 degrees Celsius."},
	{[]string{"comes after", "monday"}, "Tuesday", "Tuesday comes after Monday."},
	{[]string{"translate", "hello", "french"}, "Bonjour", "In French, hello is bonjour."},
	{[]string{"translate", "hello", "spanish"}, "Hola", "In Spanish, hello is hola."},
	{[]string{"translate", "hello", "german"}, "Hallo", "In German, hello is hallo."},
}

// statement is a yes-or-no question known by its words.
type statement struct {
	words []string
	yes   bool
}

var statements = []statement{
	{[]string{"sky", "blue"}, true}, {[]string{"fire", "cold"}, false}, {[]string{"fire", "hot"}, true},
	{[]string{"ice", "cold"}, true}, {[]string{"ice", "hot"}, false}, {[]string{"water", "wet"}, true},
	{[]string{"earth", "flat"}, false}, {[]string{"earth", "round"}, true}, {[]string{"sun", "star"}, true},
	{[]string{"moon", "cheese"}, false}, {[]string{"fish", "swim"}, true}, {[]string{"fish", "fly"}, false},
	{[]string{"whale", "mammal"}, true}, {[]string{"whale", "fish"}, false}, {[]string{"tomato", "fruit"}, true},
	{[]string{"spider", "insect"}, false}, {[]string{"snow", "black"}, false}, {[]string{"snow", "white"}, true},
}
